"""SAM 2 as a mask model: frames embedded once, prompts decoded together, tracks alone."""
