"""One run: admission, context, planning, approval, settlement."""
