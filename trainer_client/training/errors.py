"""What can stop a training job before or between its steps.

ClientError
└── TrainingError
    ├── BadConfig        fix the configuration file
    ├── BadQuestion      fix the data file
    ├── BadCheckpoint    the folder holds no checkpoint of this run
    └── BadServer        start the server that draws rollouts as `served` says
"""

from trainer_client.errors import ClientError


class TrainingError(ClientError):
    """Base of every error this package raises on its own account."""


class BadConfig(TrainingError):
    """The configuration has an unknown key, a wrong type, or a value out of range."""


class BadQuestion(TrainingError):
    """A line of the data file cannot be used."""


class BadCheckpoint(TrainingError):
    """A checkpoint is missing, incomplete, or belongs to another run or model."""


class BadServer(TrainingError):
    """The server that draws rollouts refuses what is asked of it."""
