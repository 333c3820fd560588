// What the page does beyond being read: tabs, arms off and on, sorted and filtered tables, charts, light and dark.
"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const off = new Set();  // numbers of the arms that are not shown
  const shown = arms => arms.every(arm => !off.has(arm));

  // Tabs: one study of each section at a time, the same one in all sections.
  const studies = [...new Set(all(".panel").map(panel => panel.dataset.study))];
  const sections = all("main > section").filter(section => section.querySelector(".panel"));

  function choose(study, at) {
    const before = at?.getBoundingClientRect().top;
    for (const panel of all(".panel")) panel.hidden = panel.dataset.study !== study;
    for (const tab of all("[role=tab]")) {
      tab.ariaSelected = String(tab.dataset.study === study);
      tab.tabIndex = tab.dataset.study === study ? 0 : -1;
    }
    if (at) scrollBy(0, at.getBoundingClientRect().top - before);  // sections above have other heights now
  }

  function move(event) {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const tabs = all("[role=tab]", event.currentTarget), next = tabs.indexOf(event.target) + step;
    const tab = tabs[(next + tabs.length) % tabs.length];
    choose(tab.dataset.study, tab);
    tab.focus();
    event.preventDefault();
  }

  for (const section of sections) {
    const panels = all(".panel", section), tabs = panels.map(panel => {
      const tab = make("button", {type: "button", id: `tab-${panel.id}`, textContent: panel.dataset.study});
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      tab.dataset.study = panel.dataset.study;
      tab.onclick = () => choose(tab.dataset.study, tab);
      panel.classList.add("tabbed");
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", `${section.firstElementChild.id} ${tab.id}`);
      return tab;
    });
    const list = make("div", {onkeydown: move}, ...tabs);
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "Tasks and data");
    panels[0].before(list);
  }
  if (studies.length) choose(studies[0]);

  // Tables: a click on a heading sorts, words in the field above leave the rows that have them all.
  const number = text => {
    const found = text.replace(/−/g, "-").replace(/,/g, "").match(/[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };

  function sort(table, heading) {
    const column = heading.cellIndex, down = heading.ariaSort === "ascending";
    const body = table.tBodies[0], sign = down ? -1 : 1, numeric = heading.classList.contains("number");
    const key = row => row.cells[column].textContent.trim();
    const lacks = row => key(row) === "–" || (numeric && Number.isNaN(number(key(row))));
    const compare = (a, b) => numeric ? number(key(a)) - number(key(b)) : key(a).localeCompare(key(b), "en", {numeric: true});
    const rows = [...body.rows].sort((a, b) => lacks(a) - lacks(b) || (lacks(a) ? 0 : sign * compare(a, b)));
    body.append(...rows);  // what is missing comes last, in either direction
    for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
    heading.ariaSort = down ? "descending" : "ascending";
  }

  function filter(table) {
    const words = (table.field?.value ?? "").match(/"[^"]*"|\S+/g) ?? [];
    for (const row of table.tBodies[0].rows) {
      const cells = [...row.cells].map(cell => cell.textContent.trim());
      const has = word => word.startsWith('"') && word.length > 1 && word.endsWith('"')
        ? cells.includes(word.slice(1, -1)) : cells.join(" ").toLowerCase().includes(word.toLowerCase());
      const arms = row.dataset.arms?.split(" ").map(Number) ?? [];
      row.hidden = !shown(arms) || !words.every(has);
    }
  }

  for (const table of all("main table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const heading of all("th", table.tHead)) {
      heading.replaceChildren(make("button", {type: "button", textContent: heading.textContent}));
      heading.firstChild.onclick = () => sort(table, heading);
    }
    if (table.tBodies[0].rows.length < 12) continue;
    table.field = make("input", {type: "search", size: 24, oninput: () => filter(table)});
    table.closest("figure").before(make("label", {className: "filter"}, "Rows with ", table.field));
  }

  // Charts: drawn when they come into sight, and again when something has changed.
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const aside = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+(\s+[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+)*/g;  // from right to left
  const plain = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")  // Plotly reads HTML
    .replace(/\$/g, "&#36;").replace(aside, "\u2068$&\u2069");  // and TeX
  const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark";
  const ink = color => !dark() ? color : "#" + [1, 3, 5].map(at =>
    Math.round(parseInt(color.slice(at, at + 2), 16) * .65 + 255 * .35).toString(16).padStart(2, "0")).join("");
  const cut = (text, letters) => {  // in the middle
    const end = Math.max(1, Math.floor((letters - 1) / 2));
    return plain(text.length > letters ? `${text.slice(0, letters - 1 - end)}…${text.slice(-end)}` : text);
  };
  const named = ({label, short}, letters) => label.length > letters ? cut(short, letters) : plain(label);

  function layout({xaxis, yaxis, ...rest}) {
    const grid = {gridcolor: style("--line"), zeroline: false, linecolor: style("--muted"), automargin: true};
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", showlegend: false,
      font: {family: "system-ui, sans-serif", size: 13, color: style("--ink")},
      hoverlabel: {bgcolor: style("--wash"), bordercolor: style("--muted"), font: {color: style("--ink")}},
      margin: {l: 12, r: 12, t: 34, b: 44}, xaxis: {...grid, ...xaxis}, yaxis: {...grid, ...yaxis}, ...rest,
    };
  }

  function legend(place, height, names) {  // above the plot, whose height stays
    const wide = 60 + 7 * Math.max(0, ...names.map(name => name.length));
    const lines = Math.ceil(names.length / Math.max(1, Math.floor((place.clientWidth - 24) / wide)));
    return {height: height + 21 * lines, showlegend: lines > 0, margin: {l: 12, r: 12, t: 16 + 21 * lines, b: 44},
      legend: {orientation: "h", x: 0, y: 1.02, yanchor: "bottom", maxheight: 1, itemclick: false, itemdoubleclick: false}};
  }

  function plot(place, traces, given) {
    Plotly.react(place, traces, layout({width: place.clientWidth, ...given}), {displayModeBar: false});
    if (place.listens) return;
    place.listens = true;
    place.on("plotly_click", ({points: [point]}) => point.customdata !== undefined && reveal(place, point.customdata));
  }

  function reveal(place, arm) {  // the records of the arm behind a point
    const panel = place.closest(".panel"), row = all("[id^=records-]").find(row => Number(row.dataset.arms) === arm
      && (!panel || row.textContent.includes(panel.dataset.study)));
    if (row) location.hash = row.id;
  }

  function forest(places, chart) {
    chart.panels.forEach((panel, at) => {
      const rows = panel.rows.filter(row => shown(row.arms)), wide = places[at].clientWidth, up = rows.length;
      const y = place => up - 1 - place, line = {type: "line", layer: "between"};
      const shapes = rows.flatMap((row, place) => row.low === null ? [] : [{
        ...line, x0: row.low, x1: row.high, y0: y(place), y1: y(place),
        line: {color: ink(row.color), width: 3, dash: row.dotted ? "dot" : "solid"}}]);
      if (panel.band) shapes.push({type: "rect", layer: "between", line: {width: 0}, fillcolor: style("--line"), opacity: .6,
        x0: panel.band[0], x1: panel.band[1], y0: -.5, y1: up});
      if (panel.line !== null) shapes.push({...line, x0: panel.line, x1: panel.line, y0: -.5, y1: up, line: {color: style("--ink"), width: 1}});
      const beside = {showarrow: false, yshift: 16, xref: "paper", font: {size: wide < 600 ? 11 : 13}};
      const letters = Math.floor(wide / (wide < 600 ? 6 : 7));
      const annotations = rows.flatMap((row, place) => [
        {...beside, x: 0, xanchor: "left", y: y(place), text: named(row, letters - row.text.length - 3)},
        {...beside, x: 1, xanchor: "right", y: y(place), text: plain(row.text)}]);
      const points = rows.flatMap((row, place) => row.values.map(value => ({row, place, value})));
      plot(places[at], [
        {x: points.map(point => point.value), y: points.map(point => y(point.place) - .17), mode: "markers", hoverinfo: "x",
          customdata: points.map(point => point.row.arms[0]),
          marker: {symbol: "line-ns", size: 7, line: {width: 1.5, color: points.map(point => ink(point.row.color))}}},
        {x: rows.map(row => row.center), y: rows.map((_, place) => y(place)), mode: "markers", hoverinfo: "text",
          customdata: rows.map(row => row.arms[0]), text: rows.map(row => `${plain(row.label)}<br>${plain(row.text)}`),
          marker: {size: 10, color: rows.map(row => ink(row.color)), symbol: rows.map(row => row.symbol), line: {width: 1.5}}},
        {x: panel.line === null ? [] : [panel.line], y: panel.line === null ? [] : [0], mode: "markers", opacity: 0, hoverinfo: "skip"},
      ], {height: 92 + 46 * Math.max(1, up), shapes, annotations, title: {text: cut(panel.title, letters), font: {size: 14}, x: 0},
        xaxis: {title: {text: plain(panel.axis)}}, yaxis: {visible: false, range: [-.5, up - .2]}});
    });
  }

  function scatter([place], chart) {
    place.axes ??= {x: chart.x, y: chart.y};
    const axis = Object.fromEntries(chart.axes.map(each => [each.key, each])), {x, y} = place.axes;
    const points = chart.points.filter(point => shown(point.arms) && point.values[x] && point.values[y]);
    const at = (point, key) => point.values[key][0], sign = key => axis[key].less ? 1 : -1;
    const beats = (a, b) => [x, y].every(key => sign(key) * (at(a, key) - at(b, key)) <= 0)
      && [x, y].some(key => at(a, key) !== at(b, key));
    const front = points.filter(point => !points.some(other => beats(other, point))).sort((a, b) => at(a, x) - at(b, x));
    const told = (point, key) => {
      const [value, low, high] = point.values[key], show = value => value?.toFixed(axis[key].digits);
      return `${plain(axis[key].title)}: ${show(value)}${low === null ? "" : ` [${show(low)}, ${show(high)}]`}`;
    };
    const error = (point, key) => {
      const [value, low, high] = point.values[key];
      return low === null ? {} : {type: "data", symmetric: false, array: [high - value], arrayminus: [value - low], thickness: 1.2, width: 3};
    };
    plot(place, [
      {x: front.map(point => at(point, x)), y: front.map(point => at(point, y)), mode: "lines", name: "Pareto front of the means",
        line: {shape: "hv", dash: "dash", width: 1.2, color: style("--muted")}, hoverinfo: "skip"},
      ...points.map(point => ({x: [at(point, x)], y: [at(point, y)], mode: "markers", name: plain(point.short), hoverinfo: "text",
        customdata: [point.arms[0]], error_x: error(point, x), error_y: error(point, y),
        text: [`<b>${plain(point.label)}</b><br>${told(point, x)}<br>${told(point, y)}`],
        marker: {size: 11, color: ink(point.color), symbol: point.symbol, line: {width: 1.5}}})),
    ], {...legend(place, 400, [...points.map(point => point.short), "Pareto front of the means"]),
      xaxis: {title: {text: plain(axis[x]?.title ?? "")}}, yaxis: {title: {text: plain(axis[y]?.title ?? "")}}});
    if (place.chooses) return;
    place.chooses = true;
    const chooser = way => {
      const select = make("select", {onchange: () => { place.axes[way] = select.value; scatter([place], chart); }},
        ...chart.axes.map(each => make("option", {value: each.key, textContent: each.title, selected: each.key === place.axes[way]})));
      return make("label", {}, `${way} axis `, select);
    };
    place.before(make("p", {className: "axes"}, chooser("x"), chooser("y")));
  }

  function lines(places, chart) {
    chart.panels.forEach((panel, at) => {
      const courses = panel.lines.filter(line => shown(line.arms));
      const seeds = courses.flatMap(line => line.seeds.map(([x, y]) => (
        {x, y, mode: "lines", line: {color: ink(line.color), width: .7}, opacity: .4, hoverinfo: "skip", showlegend: false})));
      const means = courses.map(line => ({x: line.x, y: line.y, mode: "lines+markers", name: plain(line.short),
        customdata: line.x.map(() => line.arms[0]), line: {color: ink(line.color), width: 2},
        marker: {symbol: line.symbol, size: 6, maxdisplayed: 8}}));
      plot(places[at], [...seeds, ...means], {...legend(places[at], 320, at ? [] : courses.map(line => line.short)),
        xaxis: {title: {text: "images seen"}, rangemode: "tozero"},
        yaxis: {title: {text: cut(panel.title, 40)}, type: panel.log ? "log" : "linear"}});
    });
  }

  const draw = {forest, scatter, lines};
  const charts = all("figure.chart").map(figure => ({figure, facts: facts.charts[figure.id], stale: true, seen: false}));

  function renew(chart) {
    if (!chart.seen || !chart.stale) return;
    if (!chart.places) {
      const image = chart.figure.querySelector("img");
      chart.places = Array.from({length: chart.facts.kind === "scatter" ? 1 : chart.facts.panels.length}, () => make("div", {className: "plot"}));
      chart.places.forEach(place => { place.setAttribute("role", "img"); place.ariaLabel = image.alt; });
      chart.figure.prepend(...chart.places);
      chart.figure.classList.add("drawn");
    }
    draw[chart.facts.kind](chart.places, chart.facts);
    chart.stale = false;
  }

  // Pictures: cut into parts from top to bottom, of which those of arms that are off are left out.
  function cutOut(id, bands) {
    const image = document.getElementById(id).querySelector("img"), ends = [...bands, [null, 1, 1]];
    if (!image.naturalWidth) { image.onload = () => cutOut(id, bands); return; }
    image.parentElement.querySelector(".parts")?.remove();
    image.hidden = bands.some(([arm]) => off.has(arm));
    if (!image.hidden) return;
    const parts = ends.flatMap(([arm, top, bottom], place) => [[null, place ? ends[place - 1][2] : 0, top], [arm, top, bottom]]);
    const kept = parts.filter(([arm, top, bottom]) => bottom > top && !off.has(arm)).map(([, top, bottom]) => {
      const part = make("div"), share = bottom - top;
      part.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight * share}`;
      part.style.backgroundImage = `url("${image.src}")`;
      part.style.backgroundPosition = `0 ${share < 1 ? 100 * top / (1 - share) : 0}%`;
      return part;
    });
    const whole = make("div", {className: "parts", ariaLabel: image.alt}, ...kept);
    whole.setAttribute("role", "img");
    image.after(whole);
  }

  function changed() {
    document.documentElement.classList.toggle("filtered", off.size > 0);
    for (const table of all("main table")) filter(table);
    for (const [id, bands] of Object.entries(facts.pictures)) cutOut(id, bands);
    for (const chart of charts) { chart.stale = true; renew(chart); }
  }

  const watch = new IntersectionObserver(entries => entries.forEach(entry => {
    const chart = charts.find(chart => chart.figure === entry.target);
    chart.seen = entry.isIntersecting;
    renew(chart);
  }), {rootMargin: "300px"});
  charts.forEach(chart => watch.observe(chart.figure));
  let width = innerWidth;
  addEventListener("resize", () => { if (width !== (width = innerWidth)) changed(); });

  // Arms off and on, everywhere at once.
  const arms = document.getElementById("arms");
  if (arms) {
    const boxes = all("input", arms), kept = `skipbench-arms ${document.title}`;
    const read = () => {
      boxes.forEach(box => off[box.checked ? "delete" : "add"](Number(box.value)));
      try {  // for a reload, as of a run that goes on; by name, as there may be more arms then
        sessionStorage.setItem(kept, JSON.stringify(facts.arms.filter((_, arm) => off.has(arm)).map(arm => arm.name)));
      } catch { /* a file may have no storage */ }
      changed();
    };
    let hidden = [];
    try { hidden = JSON.parse(sessionStorage.getItem(kept)) ?? []; } catch { /* as above */ }
    boxes.forEach(box => { box.checked = !hidden.includes(facts.arms[box.value].name); });
    boxes.forEach(box => { box.onchange = read; });
    for (const button of all("button", arms)) button.onclick = () => {
      boxes.forEach(box => { box.checked = button.dataset.all === "on"; });
      read();
    };
    arms.hidden = false;
    arms.open = innerWidth > 960;
    read();
  }

  // Light and dark: the system's choice, until a reader makes one.
  const theme = document.getElementById("theme"), stored = "skipbench-theme";
  const wear = choice => {
    if (choice) document.documentElement.dataset.theme = choice;
    theme.textContent = dark() ? "Light" : "Dark";
    theme.ariaLabel = `Switch to ${dark() ? "light" : "dark"} colours`;
    changed();
  };
  theme.hidden = false;
  theme.onclick = () => {
    const choice = dark() ? "light" : "dark";
    try { localStorage.setItem(stored, choice); } catch { /* a file may have no storage: the choice lasts for this visit */ }
    wear(choice);
  };
  matchMedia("(prefers-color-scheme: dark)").onchange = () => wear();
  let choice = null;
  try { choice = localStorage.getItem(stored); } catch { /* as above */ }
  wear(choice);

  // A link to what a tab or a fold hides shows it; one to records leaves those of the same arm and study.
  function find() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    const panel = target.closest(".panel");
    if (panel) choose(panel.dataset.study);
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    const table = target.closest("table");
    if (table?.field && target.id.startsWith("records-")) {
      table.field.value = `"${target.cells[1].textContent.trim()}" "${target.cells[2].textContent.trim()}"`;
      filter(table);
    }
    target.scrollIntoView({block: table ? "center" : "start"});
  }
  addEventListener("hashchange", find);
  document.addEventListener("click", event => {  // the same link again
    if (location.hash && event.target.closest("a")?.getAttribute("href") === location.hash) find();
  });
  find();
})();
