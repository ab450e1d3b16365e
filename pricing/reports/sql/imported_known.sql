-- Whether runs of an automation were imported.
SELECT automation FROM imported_runs WHERE automation = $automation LIMIT 1
