#include "report/sections.h"

namespace foil::report {

const char* style_sheet() {
  return R"css(
:root{color-scheme:light dark;--bg:#fff;--soft:#f5f6f8;--line:#dfe3e8;--text:#1c2128;--dim:#5c6670;--link:#0b5cad;
--c-grey:#8a939c;--c-slate:#51606f;--c-blue:#1f6fd1;--c-orange:#c2620a;--c-green:#128256;--c-purple:#7a46c2;--c-red:#c0303a;--c-pink:#c23f93;
--good:#e5f4ec;--bad:#fbeaea;--hint:#fff6dd}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--soft:#1d2126;--line:#343b43;--text:#e4e8ec;--dim:#9aa5b0;--link:#7db8f5;
--c-grey:#8b95a0;--c-slate:#a3b1bf;--c-blue:#62a4f4;--c-orange:#f0a04b;--c-green:#4fc48f;--c-purple:#b692f0;--c-red:#f0787f;--c-pink:#f08fce;
--good:#17332a;--bad:#3d2023;--hint:#38311b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 22px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px}h2{font-size:22px;margin:52px 0 8px;padding-top:14px;border-top:1px solid var(--line)}h3{font-size:17px;margin:28px 0 6px}
p{margin:8px 0;max-width:76ch}a{color:var(--link)}small,.dim{color:var(--dim)}
.meta{color:var(--dim);font-size:14px;max-width:none}nav{margin:14px 0 0;font-size:14px;display:flex;flex-wrap:wrap;gap:4px 16px}
.verdict{font-size:18px;line-height:1.5;background:var(--soft);border-left:4px solid var(--c-green);padding:14px 18px;border-radius:4px;margin:20px 0}
.verdict p{max-width:none}.verdict.worse{border-left-color:var(--c-red)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:13px;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}td.text,th.text{text-align:left}
td:not(.text){white-space:nowrap}td small{display:block;font-size:12px;white-space:nowrap}td.text small{white-space:normal}td.best{background:var(--good);font-weight:600}
td .key,.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px;vertical-align:-1px}
.legend{display:flex;flex-wrap:wrap;gap:3px 18px;font-size:13.5px;margin:6px 0}
.warning{padding:10px 14px;border-radius:4px;margin:8px 0;background:var(--hint);border-left:4px solid var(--c-orange)}
.warning.serious{background:var(--bad);border-left-color:var(--c-red)}.warning b{display:block}.warning p{margin:2px 0 0;font-size:15px;max-width:none}
.fine{background:var(--good);border-left:4px solid var(--c-green);padding:10px 14px;border-radius:4px;margin:8px 0}
.steps{display:grid;grid-template-columns:repeat(auto-fit,minmax(270px,1fr));gap:12px;margin:14px 0}
.steps>div{background:var(--soft);border-radius:6px;padding:12px 14px;font-size:14px;line-height:1.45}.steps b{display:block;font-size:15px;margin-bottom:3px}
.steps .fact{color:var(--dim);margin-top:6px;font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:18px 22px;margin:12px 0}
figure{margin:0}.wide{margin:12px 0}figcaption{font-size:14.5px;line-height:1.35}figcaption small{display:block;font-size:12.5px}
svg{display:block;width:100%;height:auto;font-family:inherit;overflow:visible}
svg text{fill:var(--text);font-size:11.5px}svg .tick{fill:var(--dim)}svg .axis{fill:var(--dim);font-size:12px}svg .group{font-size:13px}svg .value{font-size:11.5px;font-weight:600}
.grid{stroke:var(--line);stroke-width:1}.mark{stroke:var(--dim);stroke-width:1;stroke-dasharray:4 4}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.line.raw{stroke-width:1;opacity:.3}.touch{opacity:0}.touch:hover{opacity:.55}
.bar{fill-opacity:.3;stroke-opacity:.75;stroke-width:1}.mean{stroke-width:2;stroke-dasharray:5 3}.whisker{stroke-width:2.5;stroke-linecap:round;opacity:.55}
.ends{font-size:13px;color:var(--dim);text-align:right;margin-top:-2px}
.example{border:1px solid var(--line);border-radius:8px;margin:18px 0;overflow:hidden}
.example .problem{background:var(--soft);padding:12px 16px;white-space:pre-wrap;overflow-wrap:anywhere}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr))}
.answers>div{padding:12px 16px;border-top:3px solid var(--c-grey);border-right:1px solid var(--line)}
.answers>div:last-child{border-right:0}.answers h4{margin:0 0 6px;font-size:14px}.answers pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13.5px/1.55 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
.answers mark{background:var(--bad);color:inherit;border-radius:3px;padding:0 1px}
.chips{margin-top:9px;font-size:12.5px;color:var(--dim)}.chips span{display:inline-block;margin-right:14px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:10px 34px}
.weights span{display:inline-block;background:var(--soft);border-radius:4px;padding:0 7px;margin:2px 5px 2px 0;font-size:13px;font-family:ui-monospace,"DejaVu Sans Mono",monospace}
details{margin:12px 0}summary{cursor:pointer;font-weight:600;color:var(--link)}
pre.config{background:var(--soft);padding:14px 16px;border-radius:6px;overflow:auto;font-size:13px;line-height:1.45;max-height:640px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;font-size:14.5px}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:60px;color:var(--dim);font-size:13px}
@media print{:root{--bg:#fff;--text:#000}main{max-width:none;padding:0}h2{break-after:avoid}figure,.example,table,.warning{break-inside:avoid}nav{display:none}}
)css";
}

}  // namespace foil::report
