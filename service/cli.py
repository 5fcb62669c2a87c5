"""The command line: one row per command, each loaded only where its libraries are installed."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

import typer

PACKAGES = ("rewards", "service")
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True, slots=True)
class Command:
    """A command, in the module of `service.commands` that bears its name (`_` for `-`).

    `extra` is the one to install for it, None where the bare package suffices.
    """

    name: str
    summary: str
    extra: str | None = None


COMMANDS = (
    Command("serve", "Start the service.", extra="service"),
    Command("keys", "Make an API key and add it to a file."),
    Command("score", "Score a file without a server."),
    Command("train", "Train a model by GRPO against a running service.", extra="train"),
    Command("draw", "Draw what an answer says beside what is true.", extra="sam2"),
    Command("verify-log", "Prove that a log of updates is whole.", extra="service"),
    Command("polar", "Check a POLAR model against its published scores.", extra="service,polar"),
)


def build_cli(wanted: str | None) -> typer.Typer:
    """Return the command line; only the `wanted` command is loaded, the others are just listed."""
    cli = typer.Typer(
        help="Rewards and advantages for reinforcement learning of vision-language models.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for command in COMMANDS:
        if command.name == wanted:
            _add(cli, command)
        else:
            cli.command(command.name, help=command.summary)(lambda: None)
    return cli


def _add(cli: typer.Typer, command: Command) -> None:
    try:
        name = command.name.replace("-", "_")
        module = importlib.import_module(f"service.commands.{name}")
    except ModuleNotFoundError as error:
        if command.extra is None or (error.name or "").partition(".")[0] in PACKAGES:
            raise
        explain = _explanation(command, error.name)
        cli.command(command.name, help=command.summary, context_settings=ANY_ARGUMENTS)(explain)
    else:
        run: Callable[..., None] = getattr(module, name)
        cli.command(command.name)(run)


def _explanation(command: Command, missing: str | None) -> Callable[[], None]:
    def explain() -> None:
        typer.echo(
            f"reward-service {command.name} needs the extra {command.extra!r}, for {missing!r} is"
            f" not installed: pip install 'reward-service[{command.extra}]'",
            err=True,
        )
        raise typer.Exit(1)

    return explain


def main() -> None:
    """Run the command that the arguments name."""
    build_cli(sys.argv[1] if len(sys.argv) > 1 else None)()


if __name__ == "__main__":
    main()
