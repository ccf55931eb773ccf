"""How the page looks: on a desk, on a phone of 390 pixels, on paper, by day and by night. The only style there is.

Colours have a contrast of at least 4.5 to what is behind them. On a narrow screen each row of a table becomes a block
whose cells say what they are; the words come from the tables themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# So narrow that they fit a phone as they are.
_STAY_TABLES = frozenset({"months"})
# Letter by letter in the order in which they are written, whatever direction they have.
_CODE = "font:.875em/1.5 ui-monospace,monospace;unicode-bidi:isolate-override;direction:ltr"
_BASE = (
    f"code{{{_CODE}}}\n"
    """\
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--faint:#57606a;--line:#d0d7de;--card:#f6f8fa;
--good:#116329;--bad:#a40e26;--warn:#7a4b00;--bar:#0550ae;--link:#0550ae}
@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--faint:#9aa4af;--line:#3d444d;--card:#161b22;
--good:#56d364;--bad:#ff8f88;--warn:#e3b341;--bar:#6cb6ff;--link:#79c0ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:1rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2;margin:.3rem 0}
h2{font-size:1.25rem;margin:2rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1rem 0 .4rem}
p,ul,dl{margin:.4rem 0}
a{color:var(--link)}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:0}
.faint{color:var(--faint)}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.notice{border:1px solid var(--line);border-left:.35rem solid var(--good);padding:.5rem .9rem;background:var(--card);
margin:.8rem 0}
.notice.bad{border-left-color:var(--bad);color:inherit}
.notice.warn{border-left-color:var(--warn);color:inherit}
.card{border:1px solid var(--line);background:var(--card);padding:.1rem .9rem .6rem;margin:.8rem 0}
bdi{unicode-bidi:isolate}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}
dt{color:var(--faint)}dd{margin:0;min-width:0}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--faint);padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--faint);overflow-wrap:normal;min-width:3.6em}

td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;min-width:3rem;height:.9rem}
rect{fill:var(--bar)}
.items th:first-child{min-width:5em}
.months td{vertical-align:middle}
details{margin:.5rem 0}
summary{cursor:pointer;padding:.15rem 0}
footer{margin-top:2rem;color:var(--faint);font-size:.9rem}
@media (max-width:40rem){body{padding:.7rem}dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .4rem}
thead{display:none}table,tbody,tr,td,caption{display:block}tr{padding:.4rem 0;border-bottom:1px solid var(--line)}
td{border:0;padding:.05rem 0}td:empty{display:none}td::before{color:var(--faint)}
.months{display:table}.months thead{display:table-header-group}.months tbody{display:table-row-group}
.months tr{display:table-row}.months td,.months td:empty{display:table-cell;padding-right:.6rem}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--faint:#444;--line:#999;--card:#fff;--good:#000;
--bad:#000;--warn:#000;--bar:#444;--link:#000}body{max-width:none;padding:0;font-size:10pt}nav{display:none}
tr,.card dl,.notice{break-inside:avoid}h2,h3{break-after:avoid}thead{display:table-header-group}
rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}a{text-decoration:none}}
"""
)


def style_sheet(tables: Mapping[str, Sequence[str]], code_columns: Mapping[str, Sequence[int]]) -> str:
    """The style, with a label for each column of each kind of table (own words only) where rows become blocks.

    `code_columns` are set as `code` is, without one in each cell.
    """
    names = ",".join(f".{kind} td:nth-child({n})" for kind, columns in code_columns.items() for n in columns)
    labels = "".join(
        f'.{kind} td:nth-child({number})::before{{content:"{header}: "}}'
        for kind, headers in tables.items()
        if kind not in _STAY_TABLES
        for number, header in enumerate(headers, start=1)
        if header
    )
    return f"{_BASE}{names}{{{_CODE}}}\n@media (max-width:40rem){{{labels}}}\n"
