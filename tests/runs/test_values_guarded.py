"""Guards look at values: what tools return, what templates spell, what models answer, in whatever spelling."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from farebox import Agent, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.content import ImagePart
from pricing.db import schema
from pricing.errors import Blocked, FareboxError, PlanError, TurnFailed
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.echo import TARGET, TOKEN, Echo
from tests.support.media_tokens import png
from tests.support.project import make_project
from tests.support.runs import riding

MAIL, PHONE, CARD = "zoë.negrete@example.org", "+44 20 7946 0958", 4111111111111111
NAME = 'Zoë "Zed"\nNegrete'
KEY = "sk-proj-" + "a1B2" * 10
RECORD = {"customer": {"name": NAME, "mail": [f"\n{MAIL}\t"]}, MAIL: {"card": CARD}, "phone": PHONE}
GONE = (MAIL, "negrete", "Negrete", "7946", str(CARD), "ZoÃ«", "u00eb", "%C3%AB")
CONFIG = f"""
[guards.policy]
mode = "enforce"
on_break = "block"
forbidden = {{ "no promises" = ["we guarantee"] }}
records = {{ owner = ["{MAIL}", "nobody"] }}
canaries = ["zebra-canary"]
[guards.brand]
mode = "enforce"
on_find = "block"
names = ["Globex"]
[content]
keep = ["letters"]
"""


class Found(BaseModel):
    found: list[str]


class Note(BaseModel):
    note: str = ""
    owner: str = "nobody"
    owners: list[dict[str, Any]] = []


CALLED: list[str] = []
RESULT: list[object] = [RECORD]


def look_up(who: str) -> Any:
    """The record of a person."""
    CALLED.append(who)
    return RESULT[0]


agent = Agent(prompt="say.j2", tools=[look_up], max_turns=3)


@llm_task(operation="chat", max_turns=50)
def chat(**values: object) -> str:
    return ask("record.j2", returns=str, **values)


@llm_task(operation="seen", max_turns=50)
def seen(**values: object) -> str:
    return ask("image.j2", returns=str, **values)


@llm_task(operation="shown", max_turns=50, unmasked_media=True)
def shown(**values: object) -> str:
    return ask("image.j2", returns=str, **values)


@llm_task(operation="found", max_turns=50)
def found(**values: object) -> list[str]:
    return ask("record.j2", returns=Found, **values).found


@llm_task(operation="note", max_turns=50)
def note(text: str) -> Note:
    return ask("say.j2", text=text, returns=Note)


@llm_task(operation="tools", max_turns=50)
def tools(text: str) -> str:
    return agent.run(text=text)


@llm_task(operation="typed", max_turns=50)
def typed(text: str) -> list[str]:
    return agent.run(text=text, returns=Found).found


@automation(price="1 credit", plan=plan(chat, input_tokens=90_000, output_tokens=900, calls=60))
def letters() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    CALLED.clear()
    RESULT[:] = [RECORD]
    with Echo() as running:
        yield running


@pytest.fixture
def runtime(tmp_path: Path, echo: Echo) -> Iterator[Runtime]:
    project = make_project(tmp_path / "project", echo.url, targets=TARGET, more=CONFIG)
    (project.root / "prompts" / "record.j2").write_text(
        "Record: {{ record }}\nJSON: {{ record | tojson }}\nURL: {{ mail | urlencode }} {{ name | e }}\n"
    )
    (project.root / "prompts" / "image.j2").write_text("Look at {{ image }} closely.")
    with project.runtime_here() as runtime:
        yield runtime


def assert_gone(echo: Echo) -> None:
    heard = "".join(echo.seen) + json.dumps(
        [json.loads(body[: body.rindex("}") + 1]) for body in echo.seen], ensure_ascii=False
    )
    assert [value for value in GONE if value in heard] == []


def test_a_template_that_spells_a_record_sends_none_of_it(runtime: Runtime, echo: Echo):
    with riding(runtime, letters, {}):
        answer = chat.fn(record=RECORD, mail=MAIL, name=NAME, customer=NAME)
        echo.fill = lambda _, said: {"found": sorted(set(TOKEN.findall(said)))}
        back = found.fn(record=RECORD, mail=MAIL, name=NAME, customer=NAME)
    assert_gone(echo)
    assert {MAIL, NAME, PHONE, str(CARD)} <= set(back), "restored exactly, as values"
    assert MAIL in answer
    kept = json.dumps([turn.row() for turn in runtime.captures.captured()], ensure_ascii=False)
    assert [value for value in GONE if value in kept] == []


@pytest.mark.parametrize("result", [
    RECORD, [RECORD, {"n": RECORD}], f"{MAIL}\n{PHONE}", {"deep": [[{"x": {"mail": MAIL}}]]}, {MAIL},
], ids=["dict", "list", "text", "deep", "set"])  # fmt: skip
def test_what_a_tool_returns_is_masked_as_a_value(runtime: Runtime, echo: Echo, result: object):
    RESULT[:] = [result]
    with riding(runtime, letters, {}):
        answer = tools.fn("Ask for bob@example.org.")
        echo.fill = lambda _, said: {"found": sorted(set(TOKEN.findall(said)))}
        back = typed.fn("Ask for bob@example.org.")
    assert CALLED == ["bob@example.org"] * 2
    assert_gone(echo)
    assert MAIL in answer
    assert {MAIL, "bob@example.org"} <= set(back)
    kept = json.dumps([turn.row() for turn in runtime.captures.captured()], ensure_ascii=False)
    assert [value for value in GONE if value in kept] == []


def test_a_tool_that_returns_bytes_is_told(runtime: Runtime, echo: Echo):
    RESULT[:] = [{"data": b"zebra"}]
    with riding(runtime, letters, {}), pytest.raises(PlanError, match=r"'look_up' returned .* bytes") as failed:
        tools.fn("Ask for bob@example.org.")
    assert "zebra" not in str(failed.value)


def spelled_out(value: object) -> str:
    """JSON in which each string is written in codes alone."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{spelled_out(key)}: {spelled_out(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(spelled_out, value)) + "]"
    return '"' + "".join(f"\\u{ord(c):04x}" for c in value) + '"' if isinstance(value, str) else json.dumps(value)


SPELL: dict[str, Callable[[object], str]] = {
    "plain": json.dumps,
    "codes": spelled_out,
    "fenced": lambda value: f"```json\n{json.dumps(value, indent=2)}\n```",
}


@pytest.mark.parametrize("spell", SPELL)
@pytest.mark.parametrize(("said", "reason"), [
    ({"note": "we\tguarantee it"}, "policy"), ({"note": '"we guarantee" it'}, "policy"),
    ({"note": "from Globex\n"}, "brand"), ({"note": "x\nzebra-canary\t"}, "leak"),
    ({"owner": "eve@example.com"}, "leak"), ({"owners": [{"owner": ["nobody", "eve"]}]}, "leak"),
])  # fmt: skip
def test_no_spelling_of_a_structured_answer_passes_a_guard(
    runtime: Runtime, echo: Echo, spell: str, said: dict[str, Any], reason: str
):
    echo.spell, echo.fill = SPELL[spell], lambda *_: said
    with riding(runtime, letters, {}), pytest.raises(Blocked) as blocked:
        note.fn("Write a note.")
    assert blocked.value.fields["reason"] == reason


@pytest.mark.parametrize("spell", SPELL)
def test_a_key_in_a_structured_answer_is_redacted_and_the_right_record_passes(runtime: Runtime, echo: Echo, spell: str):
    echo.spell = SPELL[spell]
    echo.fill = lambda _, said: {"note": f'a "{KEY}"\n', "owner": TOKEN.findall(said)[0]}
    with riding(runtime, letters, {}):
        answer = note.fn(f"Write to {MAIL}.")
    assert answer == Note(note='a "[SECRET]"\n', owner=MAIL)
    kept = json.dumps([turn.row() for turn in runtime.captures.captured()])
    assert KEY not in kept


@pytest.mark.parametrize("spell", ["plain", "codes"])
def test_no_spelling_of_an_argument_reaches_a_tool(runtime: Runtime, echo: Echo, spell: str):
    echo.spell = lambda value: SPELL[spell]({"who": "we\nguarantee"})
    with riding(runtime, letters, {}), pytest.raises(Blocked):
        tools.fn("Ask for bob@example.org.")
    assert CALLED == []


def test_an_image_is_sent_only_where_the_step_allows_it(runtime: Runtime, echo: Echo):
    image = ImagePart("image/png", png(40, 30))
    with riding(runtime, letters, {}):
        with pytest.raises(Blocked) as blocked:
            seen.fn(image=image)
        assert blocked.value.fields["reason"] == "unreadable"
        assert echo.seen == []
        shown.fn(image=image)
    assert "data:image/png;base64," in echo.seen[-1]
    decisions = [row for row in rows(runtime.ledger, schema.guard_decisions) if row["reason"] == "unreadable"]
    assert {row["guard"] for row in decisions} >= {"secrets"}, "the first guard that has to read the prompt"


@pytest.mark.parametrize("dialect", ["bedrock", "anthropic", "openai", "groq"])
def test_an_image_goes_through_every_dialect_of_the_sandbox(tmp_path: Path, sandbox: Sandbox, dialect: str):
    models = {"bedrock": "global.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic": "claude-sonnet-4-5",
              "openai": "gpt-4.1-mini", "groq": "openai/gpt-oss-120b"}  # fmt: skip
    targets = f'\n[[targets]]\nname = "t"\nprovider = "{dialect}"\nmodel = "{models[dialect]}"\ntier = "light"\n'
    project = make_project(
        tmp_path / "own", sandbox.url, targets=targets, more='[guards]\nunmasked_media = ["image"]\n'
    )
    (project.root / "prompts" / "record.j2").write_text("Say what is on {{ record | tojson if not image }}{{ image }}.")
    with project.runtime_here() as runtime, riding(runtime, letters, {}):
        assert chat.fn(record="", image=ImagePart("image/png", png(400, 300)))
    [turn] = rows(runtime.ledger, schema.turns)
    assert turn["outcome"] == "answered"


def test_a_crowd_of_large_images_goes_to_the_target_that_takes_it(tmp_path: Path, sandbox: Sandbox):
    form = '\n[[targets]]\nname = "{}"\nprovider = "{}"\nmodel = "{}"\ntier = "light"\n'
    targets = form.format("narrow", "anthropic", "claude-haiku-4-5") + form.format("wide", "openai", "gpt-4.1-mini")
    project = make_project(
        tmp_path / "own", sandbox.url, targets=targets, more='[guards]\nunmasked_media = ["image"]\n'
    )
    names = [f"image{number}" for number in range(21)]
    (project.root / "prompts" / "record.j2").write_text(" ".join(f"{{{{ {name} }}}}" for name in names))
    with project.runtime_here() as runtime, riding(runtime, letters, {}):
        assert chat.fn(**dict.fromkeys(names, ImagePart("image/png", png(2_400, 30))))
        [turn] = rows(runtime.ledger, schema.turns)
    assert (turn["outcome"], turn["target"]) == ("answered", "wide")
    assert "takes more than 20 images only of at most 2,000 pixels a side" in turn["route"]


def test_a_target_that_cannot_take_an_image_is_left_out_with_the_reason(tmp_path: Path, sandbox: Sandbox):
    targets = """
[[targets]]
name = "blind"
provider = "bedrock"
model = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
tier = "light"
"""
    project = make_project(
        tmp_path / "own", sandbox.url, targets=targets, more='[guards]\nunmasked_media = ["image"]\n'
    )
    (project.root / "prompts" / "record.j2").write_text("What is this? {{ image }}")
    image = ImagePart("image/png", url="https://example.com/a.png")
    with project.runtime_here() as runtime, riding(runtime, letters, {}):
        with pytest.raises(TurnFailed, match=r"blind \(takes no image URL\)") as failed:
            chat.fn(image=image)
        assert isinstance(failed.value, FareboxError)
