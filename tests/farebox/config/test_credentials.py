"""Where keys are found, that they are never shown, and what happens without one."""

import os
from pathlib import Path
from typing import Any

import pytest

from farebox.config import aws, credentials
from farebox.config.credentials import find_key
from farebox.config.keys import Key, Missing
from farebox.config.settings import TargetSettings, load_settings
from farebox.runtime import Runtime
from pricing.errors import ConfigError
from tasks.routing.target import Credential

KEY = "sk-proj-AbC123-very-secret"


@pytest.fixture(autouse=True)
def no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without AWS files, on a machine that is not Amazon's; the folder its files would be in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.setattr(aws, "_VENDOR", tmp_path / "vendor")
    (tmp_path / ".aws").mkdir()
    return tmp_path / ".aws"


def settings(**changed: Any) -> TargetSettings:
    return TargetSettings(**({"name": "t", "provider": "openai", "model": "m", "tier": "light"} | changed))


def bedrock(**changed: Any) -> TargetSettings:
    return settings(provider="bedrock", **changed)


def found(target: TargetSettings) -> tuple[str, Credential]:
    key = find_key(target)
    assert isinstance(key, Key)
    assert KEY not in repr(key)
    return key.place, key.load()


def project(root: Path, targets: str, head: str = "") -> Path:
    (root / "farebox.toml").write_text(head + targets)
    return root


OPENAI = '[[targets]]\nname = "mini"\nprovider = "openai"\nmodel = "gpt-4.1-mini"\ntier = "light"\n'


def test_the_providers_variable_is_the_usual_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    assert found(settings()) == ("environment variable OPENAI_API_KEY", Credential(key=KEY))


def test_a_target_with_places_of_its_own_is_looked_for_nowhere_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    missing = find_key(settings(key_env="OTHER_ACCOUNT"))
    assert missing == Missing(("environment variable OTHER_ACCOUNT", "the file that OTHER_ACCOUNT_FILE names"))
    monkeypatch.setenv("OTHER_ACCOUNT", "other")
    assert found(settings(key_env="OTHER_ACCOUNT"))[1].key == "other"


def test_a_file_as_docker_mounts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "openai_key"
    file.write_text(f"{KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(file))
    place, credential = found(settings())
    assert credential.key == KEY
    assert "OPENAI_API_KEY_FILE" in place
    assert found(settings(key_file=file))[1].key == KEY


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MINE", "from-environment")
    assert found(settings(key_env="MINE", key_file=tmp_path / "absent"))[1].key == "from-environment"


@pytest.mark.parametrize(
    "content", [None, b"", b"\n", b"two words", f"{KEY}\nmore".encode(), b"\xff\xfe", b"x" * 20_000]
)
def test_a_file_without_a_usable_key_is_one_clear_line(tmp_path: Path, content: bytes | None):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        find_key(settings(key_file=file))
    assert str(file) in error.value.message
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)


def test_a_file_that_may_not_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        find_key(settings(key_file=tmp_path))  # a folder: unreadable for root too


def test_a_relative_key_file_lies_in_the_project(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "openai").write_text(KEY)
    loaded = load_settings(project(tmp_path, OPENAI + 'key_file = "secrets/openai"\n'))
    assert found(loaded.targets[0])[1].key == KEY


def test_a_key_in_farebox_toml_is_refused_and_not_repeated(tmp_path: Path):
    for line in (f'key = "{KEY}"', f'api_key = "{KEY}"', f'secret_access_key = "{KEY}"', f'key_env = "{KEY}"',
                 f'key_secret = "{KEY}"', f'key_evn = "{KEY}"', f'base_url = "https://me:{KEY}@llm.example.org"'):  # fmt: skip
        with pytest.raises(ConfigError) as error:
            load_settings(project(tmp_path, f"{OPENAI}{line}\n"))
        assert KEY not in f"{error.value!r} {error.value} {error.value.fields}"
        assert error.value.__cause__ is None
    with pytest.raises(ConfigError, match="store a key"):
        load_settings(project(tmp_path, f'{OPENAI}key = "{KEY}"\n'))
    with pytest.raises(ConfigError, match="did you mean 'key_env'"):
        load_settings(project(tmp_path, f'{OPENAI}key_evn = "OPENAI"\n'))


def test_a_prefect_secret_is_asked_for_only_when_its_key_is_needed(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def ask(block: Any) -> str:
        asked.append(block._name)
        return KEY

    monkeypatch.setattr(credentials._Block, "_ask", ask)
    monkeypatch.setenv("MINE", "nearer")
    assert found(settings(key_env="MINE", key_secret="openai-key"))[1].key == "nearer"
    key = find_key(settings(key_secret="openai-key"))
    assert isinstance(key, Key)
    assert key.late
    assert asked == []
    assert [key.load().key, key.load().key] == [KEY, KEY]
    assert asked == ["openai-key"]


def test_a_prefect_secret_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch):
    from prefect.blocks.system import Secret

    def load(*_: Any, **__: Any) -> Any:
        raise ConnectionError(f"at http://user:{KEY}@host")

    monkeypatch.setattr(Secret, "load", load)
    key = find_key(settings(key_secret="openai-key"))
    assert isinstance(key, Key)
    with pytest.raises(ConfigError, match="'openai-key' cannot be loaded") as error:
        key.load()
    assert KEY not in str(error.value)


def test_a_late_key_is_added_when_its_target_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(credentials._Block, "_ask", lambda _: KEY)
    runtime = Runtime(load_settings(project(tmp_path, OPENAI + 'key_secret = "openai-key"\n')), tmp_path)
    [target] = runtime.router.targets
    assert not target.stand_in
    assert target.credential.key is None
    reached = runtime._reached(target)
    assert reached.credential.key == KEY
    assert KEY not in repr(reached)


def test_bedrocks_bearer_token_comes_before_aws_keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    credential = found(bedrock())[1]
    assert (credential.access_key_id, credential.secret_access_key, credential.session_token) == (
        "AKIA1",
        KEY,
        "session",
    )
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bearer")
    assert found(bedrock())[1] == Credential(key="bearer")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_key_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, KEY)
    with pytest.raises(ConfigError, match=f"{name} is set and AWS_") as error:
        find_key(bedrock())
    assert KEY not in str(error.value)


def test_the_profiles_files(no_aws: Path, monkeypatch: pytest.MonkeyPatch):
    (no_aws / "credentials").write_text(
        f"[default]\naws_access_key_id = A1\naws_secret_access_key = {KEY}\n"
        "[work]\naws_access_key_id = A2\naws_secret_access_key = s%2\naws_session_token = t2\n"
    )
    (no_aws / "config").write_text("[profile work]\nregion = eu-west-3\n")
    assert found(bedrock()) == ("AWS profile 'default'", Credential(access_key_id="A1", secret_access_key=KEY))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert found(bedrock())[1] == Credential(access_key_id="A2", secret_access_key="s%2", session_token="t2")
    assert aws.find_region() == "eu-west-3"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert aws.find_region() == "eu-north-1"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert aws.find_region() == "ap-south-1"


def test_the_credentials_file_can_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine").write_text(f"[default]\naws_access_key_id=A3\naws_secret_access_key={KEY}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "mine"))
    assert found(bedrock())[1].access_key_id == "A3"


def test_a_broken_profile_file_is_told_without_its_content(no_aws: Path):
    (no_aws / "credentials").write_text(f"aws_secret_access_key {KEY}\n")
    with pytest.raises(ConfigError, match="not a valid AWS configuration file") as error:
        find_key(bedrock())
    assert KEY not in str(error.value)


def test_an_unknown_profile_is_a_place_tried_in_vain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "gone")
    missing = find_key(bedrock())
    assert isinstance(missing, Missing)
    assert any("'gone'" in place for place in missing.tried)


def test_botocore_is_asked_for_keys_that_are_made_on_request(no_aws: Path, tmp_path: Path):
    script = tmp_path / "make-key"
    script.write_text(f'#!/bin/sh\necho \'{{"Version": 1, "AccessKeyId": "A4", "SecretAccessKey": "{KEY}"}}\'\n')
    script.chmod(0o755)
    (no_aws / "config").write_text(f"[default]\ncredential_process = {script}\n")
    key = find_key(bedrock())
    assert isinstance(key, Key)
    assert key.late
    assert key.load() == Credential(access_key_id="A4", secret_access_key=KEY)


def test_botocores_failure_is_a_clear_error(no_aws: Path):
    (no_aws / "config").write_text("[default]\ncredential_process = /nowhere/at-all\n")
    key = find_key(bedrock())
    assert isinstance(key, Key)
    with pytest.raises(ConfigError, match="Botocore's credential chain failed"):
        key.load()


def test_without_botocore_the_chain_is_a_place_tried_in_vain(no_aws: Path, monkeypatch: pytest.MonkeyPatch):
    (no_aws / "config").write_text("[default]\nsso_session = mine\n")
    monkeypatch.setattr(aws, "find_spec", lambda _: None)
    missing = find_key(bedrock())
    assert isinstance(missing, Missing)
    assert "botocore is not installed" in missing.tried[-1]


def test_amazons_machines_have_a_role_to_ask(tmp_path: Path):
    (tmp_path / "vendor").write_text("Amazon EC2\n")
    key = find_key(bedrock())
    assert isinstance(key, Key)
    assert key.late


def test_a_server_of_ones_own_needs_no_key_unless_it_names_one():
    own = {"provider": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1"}
    assert found(settings(**own))[1] == Credential()
    assert isinstance(find_key(settings(**own, key_env="MY_SERVER")), Missing)
    assert isinstance(find_key(settings(provider="openai_compatible")), Missing)


def test_without_a_key_the_sandbox_stands_in(tmp_path: Path):
    runtime = Runtime(load_settings(project(tmp_path, OPENAI)), tmp_path)
    assert runtime.router.targets[0].stand_in


@pytest.mark.parametrize("how", ["never", "variable", "file"])
def test_where_the_sandbox_may_not_stand_in_every_place_tried_is_told(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    head = "[sandbox]\nstand_in = false\n" if how == "file" else '[sandbox]\nurl = "http://127.0.0.1:9"\n'
    if how != "file":
        name, value = ("FAREBOX_SANDBOX", "never") if how == "never" else ("FAREBOX_SANDBOX__STAND_IN", "false")
        monkeypatch.setenv(name, value)
    target = OPENAI.replace("openai", "bedrock").replace("gpt-4.1-mini", "anthropic.claude-haiku-4-5-20251001-v1:0")
    loaded = load_settings(project(tmp_path, target, head))
    with pytest.raises(ConfigError) as error:
        Runtime(loaded, tmp_path).check()
    for place in ("AWS_BEARER_TOKEN_BEDROCK", "_FILE", "AWS_ACCESS_KEY_ID", "AWS profile 'default'", str(tmp_path)):
        assert place in str(error.value)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    assert not Runtime(loaded, tmp_path).router.targets[0].stand_in


def test_a_table_in_the_environment_that_is_no_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAREBOX_TURNS", f"retries {KEY}")
    with pytest.raises(ConfigError, match="FAREBOX_TURNS") as error:
        load_settings(project(tmp_path, OPENAI))
    assert KEY not in str(error.value)


def test_bedrocks_region_is_the_environments_when_the_target_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    target = OPENAI.replace("openai", "bedrock").replace("gpt-4.1-mini", "anthropic.claude-haiku-4-5-20251001-v1:0")
    [built] = Runtime(load_settings(project(tmp_path, target)), tmp_path).router.targets
    assert (built.region, built.failure_domain) == ("eu-central-1", "bedrock/eu-central-1")
    assert "eu-central-1" in built.base_url
    [named] = Runtime(load_settings(project(tmp_path, f'{target}region = "us-west-2"\n')), tmp_path).router.targets
    assert named.region == "us-west-2"


def test_the_default_projects_settings_hold():
    assert load_settings(Path(__file__).parents[3]).targets
    assert "OPENAI_API_KEY" not in os.environ
