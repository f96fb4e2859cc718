"""A person's own CSV file of texts, checked and laid out as the bundled texts are."""

import csv
import html
import io
import re
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from course.intake import folders
from helpers import assets, disk
from helpers.data import SPLITS
from helpers.text.words import LENGTH, tokens

BUNDLED = "film-reviews"
MISSING = ["", "nan", "<na>", "#n/a"]  # how spreadsheets and pandas write an empty cell
ENTITY = re.compile(r"&(?:amp;)*(?:#\d+|#x[\da-f]+|\w+);", re.I)
TAG = re.compile(
    r"</?(br|p|i|b|em|strong|a|div|span|hr|li|[uo]l|h\d)(\s[^<>]*=[^<>]*)?\s*/?>", re.I
)
TYPED = str.maketrans("‘’‚‛“”„‟\0\u200b", "''''\"\"\"\"  ", "\u00ad\ufeff")
TYPED |= {ord("…"): " ... "} | {ord(dash): " - " for dash in "–—―"}
NO_WORDS = (
    "Without spaces a whole sentence counts as one word, and nothing can be learned from it: put "
    "spaces between the words first, for example with the packages jieba (Chinese), fugashi "
    "(Japanese) or pythainlp (Thai)."
)
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def texts(dataset: str | Path = BUNDLED, *, seed: int = 0) -> str:
    """What `helpers.text.load` can read: the name of the bundled texts, or a checked CSV file.

    A file of one's own has the columns text, label (two of them, or more) and, if need be, split.
    Texts of which a model reads the same words count as one, so that none stands in two splits.
    Without a split, a fifth each is for validation and test. What was left out is printed.

    Args:
        dataset: "film-reviews", or the path of the CSV file.
        seed: of the split.

    Returns:
        The name, or the path of a file in the cache; at once if the content is known.

    Raises:
        ValueError: no such file, no CSV with these columns, only one label, or one with too few
            texts to split.
    """
    own = disk.own_path(dataset, [BUNDLED])
    path = own or assets.path(BUNDLED)
    if own and not path.is_file():
        fault = f"{path} is a folder" if path.is_dir() else f"There is no file {path}"
        raise ValueError(f"{fault}: write '{BUNDLED}', or the path of a CSV file.")
    if not own and path.is_file():
        return BUNDLED
    files = [path] if own else sorted(path.glob("rt-polarity.*"))
    key = folders.content_key(path.parent, files, "texts", 1, seed)
    kept = folders.keep(key, lambda folder: _write(folder, path, bool(own), seed))
    return str(kept / "reviews.csv")


def _write(folder, path, own, seed):
    """Fill the folder; returns what is to be said about the file."""
    table, notes = _read_csv(path) if own else _read_sentences(path)
    table, more = _tidy(table, path)
    table["split"] = _split(table, path, len(table) // (5 if own else 10), seed)
    table.to_csv(folder / "reviews.csv", index=False, encoding="utf-8", lineterminator="\n")
    return notes + more


def _read_sentences(folder):
    """Text and label of rt-polarity.neg and .pos, one sentence per line."""
    table = []
    for label, ending in (("negative", "neg"), ("positive", "pos")):
        file = folder / f"rt-polarity.{ending}"
        if not file.is_file():
            raise ValueError(f"{folder} holds no {file.name}: take the catalogue's archive.")
        # Not splitlines(): Latin-1 has a character that it takes for the end of a line.
        lines = file.read_text(encoding="latin-1").removesuffix("\n").split("\n")
        table += [(line, label) for line in lines]
    return pd.DataFrame(table, columns=["text", "label"]), []


def _read_csv(path):
    """The columns text, label and perhaps split, and a note on columns that were ignored."""
    try:
        content = path.read_bytes()
        codec = "utf-16-le" if content[1:2] == b"\0" else "utf-8-sig"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
            codec = "utf-16"
        content = content.decode(codec)
        header, rows = _rows(content.replace("\r\n", "\n").replace("\r", "\n"))
    except OSError as error:
        raise ValueError(f"{path} cannot be opened ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        fault = f"{path} is not UTF-8 text (byte {error.start:,})"
        raise ValueError(f"{fault}: save it as 'CSV UTF-8'.") from None
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as CSV: {error.args[1]}.") from None
    columns, notes = {}, []
    for name in ("text", "label", "split"):
        alike = [i for i, each in enumerate(header) if each.casefold() == name]
        chosen = [i for i in alike if header[i] == name] or alike  # text, if there is Text, too
        if len(chosen) == 1:
            columns[name] = [row[chosen[0]] for row in rows]
        elif chosen or name != "split":
            raise ValueError(
                f"{path} has {'two columns' if chosen else 'no column'} '{name}' but "
                f"{', '.join(map(repr, header))}: its first line must name the columns text and "
                "label, once each."
            )
        others = [header[i] for i in alike if i not in chosen]
        notes += [f"{path.name}: read the column '{name}', not '{each}'." for each in others]
    return pd.DataFrame(columns, dtype=object), notes


def _rows(content):
    """Header and rows, whatever the delimiter and the way to escape a quote.

    Raises:
        csv.Error: with the line at fault and a description.
    """
    stated = re.match(r'"?sep=(.)"?\n', content, re.I)  # a line of Excel's own
    if stated:
        content = "\n" + content[stated.end() :]  # lines keep their numbers
    head = content.lstrip("\n").partition("\n")[0].casefold()
    names = {mark: {name.strip(' "') for name in head.split(mark)} for mark in ",;\t|"}
    mark = stated[1] if stated else max(names, key=lambda m: len(names[m] & {"text", "label"}))
    faults = []
    for escape in (None, "\\"):  # spreadsheets double a quote, some databases write \"
        limit = csv.field_size_limit(max(len(content), 131_072))
        try:
            return _parsed(content, mark, escape)
        except csv.Error as error:
            faults.append(error)
        finally:
            csv.field_size_limit(limit)
    raise max(faults, key=lambda error: error.args[0])  # of the way that came further


def _parsed(content, mark, escape):
    rows, line, fault = [], 1, ""
    reader = csv.reader(io.StringIO(content), delimiter=mark, escapechar=escape, strict=True)
    try:
        for row in reader:
            width = len(rows[0]) if rows else 2
            while len(row) > width and not row[-1].strip():  # a spreadsheet's empty columns
                row.pop()
            if any(map(str.strip, row)):
                if not rows and not {"text", "label"} & {name.strip().casefold() for name in row}:
                    return row, []  # a line above the header, or no header: the caller names it
                if rows and len(row) != width:
                    fault = f"line {line} has not {width} fields but {len(row)}"
                    fault += ": put texts that hold a comma or the like in quotes"
                    break
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        fault = f"check the quotes in line {line} ({error})"
    if fault or not rows:
        raise csv.Error(line, fault or "it is empty")
    return [name.strip() for name in rows[0]], rows[1:]


def _tidy(table, path):
    """Texts in plain characters, none empty or twice, and lines that say what was changed.

    What comes twice would else stand on both sides of the split, and what stands there with both
    labels teaches nothing.
    """
    table = table.apply(lambda column: column.str.split().str.join(" "))
    plain, notes = table.text.map(_plain), []
    # pandas writes whole numbers as 1.0 where a label is missing
    label = table.label.str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)
    missing = plain.str.lower().isin(MISSING) | label.str.lower().isin(MISSING)
    full = table.assign(text=plain, label=label)[~missing]
    folded = full.label.str.casefold()
    if full.label.nunique() > folded.nunique() > 1:  # Pos and pos are one
        full["label"] = folded.map(full.label.groupby(folded).agg(lambda same: same.mode()[0]))
        notes.append("Capitals in labels do not count here.")
    read = full.text.map(lambda text: " ".join(tokens(text.casefold())) or text)
    clear = full.label.groupby(read).transform("nunique") == 1
    once = full[clear & ~read.duplicated()].reset_index(drop=True)
    names = sorted(set(once.label))
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        fault = f"needs two or more labels, one for each class, and has {found}"
        raise ValueError(f"{path} {fault}: correct the column 'label'.")
    said = {f"of {name!r}": (once.label == name).sum() for name in names} | {
        "left out without text or label": missing.sum(),
        "left out as already there": clear.sum() - len(once),
        "left out for having different labels": (~clear).sum(),
        "with HTML or typographic characters, now plain": (plain != table.text).sum(),
        f"longer than the {LENGTH} words that are read": (once.text.str.count(" ") >= LENGTH).sum(),
        "without spaces between words": (unspaced := once.text.map(_unspaced).sum()),
    }
    counts = "; ".join(f"{count:,} {what}" for what, count in said.items() if count)
    return once, [f"{path.name}: {counts}.", *notes, *[NO_WORDS] * bool(unspaced)]


def _plain(text):
    """Without what web pages and word processors add, which would make words of its own."""
    text = ENTITY.sub(lambda entity: html.unescape(html.unescape(entity[0])), text)
    return " ".join(TAG.sub(" ", normalize("NFC", text)).translate(TYPED).split())


def _unspaced(text):
    letters = len(UNSPACED.findall(text))
    return 2 * letters > len(text) and letters > 5 * len(text.split())


def _split(table, path, held_out, seed):
    """The column split: the file's own, or drawn."""
    drawn = "split" not in table
    if drawn:
        split = pd.Series("train", table.index)
        rest = np.arange(len(table))
        with suppress(ValueError):  # a label with one text, or none left: it is named below
            for name in ("test", "validation"):
                rest, taken = train_test_split(
                    rest, test_size=held_out, stratify=table.label[rest], random_state=seed
                )
                split[taken] = name
    else:
        split = table.split.str.lower().replace(folders.SPLIT_OF_NAME)
    if unknown := sorted(set(split) - set(SPLITS)):
        fault = f"has the split {unknown[0]!r}"
        raise ValueError(f"{path} {fault}: only train, validation and test are allowed.")
    counts = pd.crosstab(split, table.label).reindex(SPLITS, fill_value=0)
    if (missing := (counts == 0).stack()).any():
        name, label = missing.idxmax()
        fault, fix = f"has no text of label {label!r} in the split {name!r}", "add some there"
        if drawn:
            rare = counts.sum().idxmin()
            fault = f"has too few texts to split ({counts[rare].sum()} of label {rare!r})"
            fix = "give each label at least ten, or correct the column 'label'"
        raise ValueError(f"{path} {fault}: {fix}.")
    return split
