"""A small model where it works: ONNX Runtime and a tokenizer, no torch.

student = Student(Path("students/device-0-1a2b3c4d"))
student("not a good film")              # {"negative": 0.93, "positive": 0.07}
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.coevolution.versions.version import checked_file, read
from shared.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
LABELS = ("negative", "positive")
MOST = 128  # pieces of a text that are read, as in models/words.py, which a device need not import
LONGEST = 20_000  # bytes of a text: what is longer is no sentence, and most of it would not be read


class Student:
    """The model of a version's folder, every file checked; called with a text, it answers.

    Raises UserError when a file is missing, cut off or of another version.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.version = read(folder)
        model, words = (checked_file(folder, self.version, name) for name in (MODEL, TOKENIZER))
        self._tokenizer = Tokenizer.from_file(str(words))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a class of its own for each of a dozen reasons
            raise UserError(f"{model} is no model that ONNX Runtime can open: {str(error).splitlines()[0]}") from None
        self._input = self._session.get_inputs()[0].name

    def __call__(self, text: str) -> dict[str, float]:
        """Probability of each label. Raises UserError for a text that is empty or too long."""
        high = self.logits(self.pieces(usable(text))) / self.version.temperature
        odds = [math.exp(float(value - high.max())) for value in high]
        return {label: odd / sum(odds) for label, odd in zip(LABELS, odds, strict=True)}

    def pieces(self, text: str) -> NDArray[np.int64]:
        """(1, l) numbers of word pieces."""
        import numpy as np

        return np.array([self._tokenizer.encode(text).ids])

    def logits(self, ids_1l: NDArray[np.int64]) -> NDArray[np.float32]:
        """(2,) of one text."""
        return self._session.run(None, {self._input: ids_1l})[0][0]


def usable(text: str) -> str:
    """The text, if it is one. Raises UserError otherwise."""
    if not text.strip():
        raise UserError("the text is empty: there is nothing to answer")
    try:
        length = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise UserError("the text is not in UTF-8") from None
    if length > LONGEST:
        raise UserError(f"the text has {length:,} bytes; at most {LONGEST:,} are taken, a sentence or a few")
    return text
