"""Passwords as people of other languages say them, and passwords of letters alone in the address of a service."""

import pytest

from guardrails.guards.secrets import find_secrets


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("密码：pu3uDxYYMfG7", "pu3uDxYYMfG7"),
        ("密码是pu3uDxYYMfG7。", "pu3uDxYYMfG7"),
        ("パスワードは「laZ7Vt0SXjM7」です", "laZ7Vt0SXjM7"),
        ("비밀번호는 pu3uDxYYMfG7 입니다", "pu3uDxYYMfG7"),
        ("كلمة المرور: pu3uDxYYMfG7", "pu3uDxYYMfG7"),
        ("пароль — pu3uDxYYMfG7, не забудь", "pu3uDxYYMfG7"),
        ("şifre: pu3uDxYYMfG7", "pu3uDxYYMfG7"),
        ("Lösenord: pu3uDxYYMfG7", "pu3uDxYYMfG7"),
        ("salasana=pu3uDxYYMfG7", "pu3uDxYYMfG7"),
        ("postgres://app:ufUxbvJDCTbyvH@db.example.org:5432/shop", "ufUxbvJDCTbyvH"),
        ("redis://:kTbvHxxyQwLm@cache:6379", "kTbvHxxyQwLm"),
    ],
)
def test_is_found(text: str, secret: str):
    assert [text[found.start : found.end] for found in find_secrets(text)] == [secret]


@pytest.mark.parametrize(
    "text",
    [
        "パスワードは8文字以上にしてください",
        "密码是8位数字",
        "密码：忘记了怎么办",
        "密码：********",
        "비밀번호는 8자 이상이어야 합니다",
        "كلمة المرور: نسيتها",
        "lösenord: glömt lösenordet",
        "postgres://user:password@host/db",
        "postgres://user:myPassword@host/db",
        "https://user:YourStrongPass@host",
        "mysql://USER:PASSWORD@HOST/db",
    ],
)
def test_is_no_secret(text: str):
    assert find_secrets(text) == []
