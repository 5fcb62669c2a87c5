"""The command line: one row per command, each loaded only where its libraries are installed."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import typer

PACKAGES = ("rewards", "service")
ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True, slots=True)
class Command:
    """A command, in the module of `service.commands` that bears its name.

    `extra` is the one to install for it, None where the bare package suffices.
    """

    name: str
    summary: str
    extra: str | None = None


COMMANDS = (Command("serve", "Start the service.", extra="service"),)


def build_cli() -> typer.Typer:
    """Return the command line with every command of the table."""
    cli = typer.Typer(
        help="Rewards and advantages for reinforcement learning of vision-language models.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for command in COMMANDS:
        _add(cli, command)
    return cli


def _add(cli: typer.Typer, command: Command) -> None:
    try:
        module = importlib.import_module(f"service.commands.{command.name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise
        explain = _explanation(command, error.name)
        cli.command(command.name, help=command.summary, context_settings=ANY_ARGUMENTS)(explain)
    else:
        run: Callable[..., None] = getattr(module, command.name)
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
    build_cli()()


if __name__ == "__main__":
    main()
