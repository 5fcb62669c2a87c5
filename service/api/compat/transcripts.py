"""The response, cut out of a transcript that begins with its prompt."""

from collections.abc import Sequence

TURNS = (
    "<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<start_of_turn>model\n",
    "<|assistant|>\n",
    "<\uff5cAssistant\uff5c>",
    "[/INST]",
)
"""What templates put before the policy's words."""

ENDINGS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<eos>",
    "</s>",
    "<|pad|>",
    "<pad>",
)
"""What templates and tokenizers put after them."""


def cut_response(transcript: str, prompt: str | None, turns: Sequence[str] = TURNS) -> str:
    r"""Return what the policy wrote, without the special tokens after it.

    The prompt is found as it stands; or, where the processor has changed it (image tokens are
    drawn out to many), by its turns: the policy's begins after as many as the prompt has, so that
    one which the policy writes itself does not count. A transcript without either is all response.
    `turns` are what a template may put before the policy's words.

    >>> cut_response("<s>user: 2+2?\n4</s>", "user: 2+2?\n")
    '4'
    """
    if prompt and prompt in transcript:
        return _trim(transcript[transcript.index(prompt) + len(prompt) :])
    for turn in turns:
        count = (prompt or "").count(turn)
        parts = transcript.split(turn, count) if count else []
        if len(parts) > count > 0:
            return _trim(parts[-1])
    return _trim(transcript)


def _trim(response: str) -> str:
    response = response.rstrip()
    while response.endswith(ENDINGS):
        ending = next(ending for ending in ENDINGS if response.endswith(ending))
        response = response.removesuffix(ending).rstrip()
    return response
