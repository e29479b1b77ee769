"""The look of a report: one sheet of style, light or dark as the reader's system is, and fit to be printed."""

from __future__ import annotations

from multimodel.report import drawing
from multimodel.report.markup import Markup

PAGE = """
:root{color-scheme:light dark;--ink:#1f2328;--quiet:#59636e;--paper:#fff;--card:#f6f7f9;--line:#d6dae0;--link:#1f5fbf;
--yes:#1b6e2f;--no:#8a4b00}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--quiet:#a0a8b1;--paper:#15181c;--card:#1e2227;
--line:#363c44;--link:#7fb0f8;--yes:#7ad190;--no:#f0b266}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:68rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:break-word}
h1{font-size:1.8rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.35rem;margin:2.5rem 0 .75rem;padding-top:.75rem;
border-top:1px solid var(--line)}h3{font-size:1.1rem;margin:1.75rem 0 .25rem}h4{margin:.75rem 0 .25rem}
a{color:var(--link)}nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.9rem}
p{margin:.5rem 0}.quiet,.id{color:var(--quiet)}.quiet{font-size:.9em}.id{font-size:.75rem;margin:.5rem 0 0}
.note{border-left:3px solid var(--no);padding-left:.75rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.facts dt{font-size:.8rem;color:var(--quiet)}.facts dd{margin:0;font-weight:600}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem;white-space:pre-wrap;
margin:.5rem 0}
code,.code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.82rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;margin:.5rem 0}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
thead th{vertical-align:bottom;color:var(--quiet);font-weight:600;white-space:normal}
tbody th,thead th:first-child{text-align:left;font-weight:600}
.scores tbody th,.scores thead th:first-child{position:sticky;left:0;background:var(--paper)}
.columns{display:flex;flex-wrap:wrap;gap:0 2rem}.columns td{white-space:normal;max-width:14rem}
.yes,.no{font-weight:600;white-space:nowrap}.yes{color:var(--yes)}.no{color:var(--no)}
summary{cursor:pointer;color:var(--link);font-size:.9rem;margin:.5rem 0}
figure{margin:1.25rem 0}figcaption{font-weight:600}figure svg{display:block}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.75rem;margin:.75rem 0}
.samples.wide{grid-template-columns:minmax(0,1fr)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem;min-width:0}
.card dl{margin:0}.card dt{font-size:.75rem;color:var(--quiet)}.card dd{margin:0 0 .5rem}.card p{margin:0}
.card .text{white-space:pre-wrap}.card svg{display:block}
img{max-width:100%;height:auto;border-radius:4px;display:block}.pixels{image-rendering:pixelated}
audio{width:100%;max-width:22rem;display:block}
footer{margin-top:3rem;color:var(--quiet);font-size:.85rem}
@media print{h2,h3{break-after:avoid}body{max-width:none;font-size:11px;padding:0}nav,summary,audio{display:none}
.card,figure,tr{break-inside:avoid}.scroll{overflow:visible}table{font-size:8px}th,td{padding:.15rem .3rem}
.drawing{min-width:0!important}}
"""

STYLE = Markup(PAGE + drawing.STYLE)
