"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const points = data.points;
  const colors = ["#1565c0", "#c2571a", "#2e7d32", "#7b3fa0", "#00838f", "#a3801a", "#b3261e", "#546e7a"];
  const one = points.length === 1;
  const byId = (id) => document.getElementById(id);
  const element = (name, text, className) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  };
  const dig = (object, dotted) => dotted.split(".").reduce((at, key) => (at == null ? undefined : at[key]), object);
  const label = (point) => Object.entries(point.set || {}).map(([k, v]) => k + "=" + v).join(", ") || point.mode || "";
  const show = (v) => {
    if (v === undefined || v === null) return "";
    if (v === 0) return "0";
    const size = Math.abs(v);
    if (size >= 1e5 || Number.isInteger(v)) return Math.round(v).toLocaleString("en");
    return size >= 100 ? v.toFixed(1) : size >= 0.01 ? String(Number(v.toPrecision(4))) : v.toExponential(2);
  };

  /// For axes, where room is short: 1.2M.
  const brief = (v) => {
    const size = Math.abs(v);
    for (const [unit, name] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
      if (size >= unit * (unit === 1e3 ? 10 : 1)) return Number((v / unit).toPrecision(4)) + name;
    return show(v);
  };

  // ---- head and verdict
  const first = points[0];
  const replications = first.replications || 1;
  const seeds = [].concat(first.seed).join(", ");
  byId("about").textContent = [...new Set(points.map((p) => p.nodes))].join(", ") + " nodes, mode " + points.map((p) => p.mode).filter((m, i, all) => all.indexOf(m) === i).join(" and ") +
    ", seed" + (replications > 1 ? "s " : " ") + seeds + ", " + show(first.virtual_s) + " s virtual, commit " +
    [...new Set(points.flatMap((p) => p.commit))].map((c) => String(c).slice(0, 12)).join(", ");
  const verdict = byId("verdict");
  const violations = points.flatMap((p) => p.violations.map((v) => ({ ...v, set: label(p) })));
  const held = points.every((p) => p.ok || (p.missing && !p.violations.length));
  const ok = held && !data.missing.length;
  verdict.className = ok ? "good" : "bad";
  if (data.missing.length) verdict.append(element("p", data.missing.length + " runs are missing, they failed: " +
    data.missing.slice(0, 20).map((m) => label(m) + " seed " + m.seed).join("; ")));
  verdict.append(element("p", held ? (data.missing.length ? "In the others every" : "Every") + " check held: nothing resurrected, nothing forged, everyone settled."
    : violations.length + " failed checks are kept in this report:"));
  if (!held) {
    const list = element("ul");
    for (const v of violations.slice(0, 20)) {
      list.append(element("li", v.kind + " at " + show(v.at_s) + " s" + (v.seed === undefined ? "" : ", seed " + v.seed) + (one ? "" : ", " + v.set) + ": " + v.what));
    }
    verdict.append(list);
  }
  if (one && typeof first.trace_hash === "string") {
    const line = element("p", "trace ");
    line.append(element("code", first.trace_hash));
    verdict.append(line);
  }

  // ---- figures
  const table = byId("figures");
  const head = element("tr");
  head.append(element("th", "measure"), element("th", "unit"), ...points.map((p) => element("th", one ? "value" : label(p))), ...(one ? [element("th", "")] : []));
  table.append(head);
  const always = ["forged_accepted", "resurrected", "lost_changes", "false_offline", "violation_count"];
  for (const [name, unit, what] of data.rows) {
    if (!always.includes(name) && points.every((p) => !dig(p, name))) continue;  // did not come up in these runs
    const row = element("tr");
    row.append(element("td", name), element("td", unit));
    for (const p of points) {
      const cell = element("td", show(dig(p, name)));
      const half = dig(p, "ci95." + name), fewer = dig(p, "measured_in." + name);
      if (half !== undefined) cell.append(element("span", " \u00b1 " + (half >= 1e6 ? brief(half) : show(Number(half.toPrecision(3)))), "ci"));
      if (fewer > 0) cell.append(element("span", " (" + fewer + " of " + p.replications + " runs)", "ci"));
      row.append(cell);
    }
    row.title = what;
    if (one) row.append(element("td", what, "what"));  // beside many columns there is no room: it shows when pointed at
    table.append(row);
  }

  // ---- plots
  // spec: title, x axis, y axis, xs, lines [{label, ys, half?}], logX
  const width = () => Math.max(280, Math.min(540, (document.querySelector("main").clientWidth - 90) / (innerWidth < 1000 ? 1 : 2)));
  const draw = (parent, spec) => {
    if (!spec.xs.length || !spec.lines.length) return;
    const box = element("div", undefined, "plot");
    box.append(element("h3", spec.title));
    parent.append(box);
    (window.uPlot ? withUplot : plain)(box, spec);
    box.append(element("p", spec.x + (spec.y ? "; up: " + spec.y : ""), "axis"));
  };
  const bars = (spec) => ({
    hooks: {
      draw: [(u) => {
        const c = u.ctx, dpr = window.devicePixelRatio || 1;
        c.save();
        spec.lines.forEach((line, i) => {
          if (!line.half) return;
          c.strokeStyle = colors[i % colors.length];
          c.lineWidth = 1.5 * dpr;
          spec.xs.forEach((x, at) => {
            if (line.ys[at] == null) return;
            const px = u.valToPos(x, "x", true), cap = 4 * dpr;
            const low = u.valToPos(line.ys[at] - line.half[at], "y", true), high = u.valToPos(line.ys[at] + line.half[at], "y", true);
            c.beginPath();
            c.moveTo(px, low); c.lineTo(px, high);
            c.moveTo(px - cap, low); c.lineTo(px + cap, low);
            c.moveTo(px - cap, high); c.lineTo(px + cap, high);
            c.stroke();
          });
        });
        c.restore();
      }],
    },
  });
  const reach = (spec) => {
    let low = Infinity, high = -Infinity;
    for (const line of spec.lines) line.ys.forEach((y, i) => {
      if (y == null) return;
      const h = line.half ? line.half[i] : 0;
      low = Math.min(low, y - h); high = Math.max(high, y + h);
    });
    if (spec.share) return [0, 1.02];
    if (low >= 0) low = 0;
    return high > low ? [low, high + (high - low) * 0.06] : [low, low + 1];
  };
  const withUplot = (box, spec) => {
    const grid = { stroke: "#e6eaef", width: 1 };
    const ticks = (u, values) => values.map((v) => (v == null ? "" : brief(v)));
    const log = spec.logX && spec.xs.every((x) => x > 0);
    const options = {
      width: width(), height: 260, plugins: [bars(spec)], cursor: { y: false },
      scales: { x: { time: false, distr: log ? 3 : 1, log: 2 }, y: { range: () => reach(spec) } },
      axes: [{ grid, values: ticks, ...(log ? { splits: () => spec.xs, values: (u, v) => v.map(show) } : {}) }, { grid, values: ticks, size: 64 }],
      series: [{ label: spec.x }, ...spec.lines.map((line, i) => ({
        label: line.label, stroke: colors[i % colors.length], width: 1.6, spanGaps: true,
        points: { show: Boolean(spec.dots), size: 6 }, ...(spec.share && !spec.time ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}), value: (u, v) => (v == null ? "-" : show(v)),
      }))],
    };
    new uPlot(options, [spec.xs, ...spec.lines.map((l) => l.ys)], box);
  };
  const plain = (box, spec) => {
    const w = width(), h = 240, left = 60, bottom = 22, ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("width", w); svg.setAttribute("height", h);
    const put = (name, attributes, text) => {
      const e = document.createElementNS(ns, name);
      for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
      if (text !== undefined) e.textContent = text;
      svg.append(e);
    };
    const scale = spec.logX && spec.xs.every((x) => x > 0) ? Math.log2 : (x) => x;
    const xs = spec.xs.map(scale), x0 = Math.min(...xs), x1 = Math.max(...xs), [y0, y1] = reach(spec);
    const px = (x) => left + (w - left - 10) * (x1 > x0 ? (x - x0) / (x1 - x0) : 0.5);
    const py = (y) => (h - bottom) - (h - bottom - 10) * (y - y0) / (y1 - y0);
    for (let i = 0; i <= 4; ++i) {
      const y = y0 + (y1 - y0) * i / 4;
      put("line", { x1: left, x2: w - 10, y1: py(y), y2: py(y), stroke: "#e6eaef" });
      put("text", { x: left - 6, y: py(y) + 4, "text-anchor": "end" }, brief(y));
    }
    for (const at of [0, spec.xs.length - 1]) put("text", { x: px(xs[at]), y: h - 6, "text-anchor": at ? "end" : "start" }, show(spec.xs[at]));
    spec.lines.forEach((line, i) => {
      const color = colors[i % colors.length];
      const path = line.ys.map((y, at) => (y == null ? "" : px(xs[at]) + "," + py(y))).filter(Boolean).join(" ");
      put("polyline", { points: path, fill: "none", stroke: color, "stroke-width": 1.6 });
      if (line.half) line.ys.forEach((y, at) => y != null && put("line", { x1: px(xs[at]), x2: px(xs[at]), y1: py(y - line.half[at]), y2: py(y + line.half[at]), stroke: color }));
      put("text", { x: w - 14, y: 18 + 14 * i, "text-anchor": "end", style: "fill:" + color }, line.label);
    });
    box.append(svg);
  };

  // ---- distributions: cumulative, x is the value
  const distribution = (name, title, unit) => {
    const lines = points.map((p) => ({ label: one ? "share of all" : label(p), curve: (p.distributions || {})[name] || [] })).filter((l) => l.curve.length);
    // A curve that begins above 0 comes from there: also when all values are one, there is something to see.
    for (const l of lines) if (l.curve[0][1] > 0) l.curve = [[0, 0], [0, l.curve[0][1] * (1 - 1e-9)], ...l.curve];
    if (!lines.length) return;
    const xs = [...new Set(lines.flatMap((l) => l.curve.map(([, v]) => v)))].sort((a, b) => a - b);
    const spec = { title, x: unit, y: "share at or below", xs, share: true, lines: lines.map((l) => {
      const ys = new Array(xs.length).fill(null), at = new Map(xs.map((x, i) => [x, i]));
      for (const [share, v] of l.curve) ys[at.get(v)] = share;
      return { label: l.label, ys };
    }) };
    draw(byId("distributions"), spec);
  };
  distribution("notify_delay_over_latency", "Change to remote watcher, over the latency of the way", "one-way delays");
  distribution("notify_delay_s", "Change to remote watcher", "seconds");
  distribution("lookup_first_ms", "Lookup in the DHT, to the first record", "milliseconds");
  distribution("lookup_hops", "Hops of a lookup", "hops");
  distribution("crash_detection_s", "Node dies to watchers told", "seconds");
  distribution("settle_s", "End of a hardship to the last watcher right", "seconds");
  if (!byId("distributions").childElementCount) byId("distributions").append(element("p", "No distribution has a value.", "hint"));

  // ---- over time
  const rate = (s, key) => s[key].map((v, i) => v / Math.max(1e-9, s.virtual_s[i] - (i ? s.virtual_s[i - 1] : 0)));
  const gap = (values, when) => values.map((v, i) => (when[i] > 0 ? v : null));
  const overTime = (title, y, lines, share) => draw(byId("series"), { title, x: "virtual seconds since the start", y, xs: first.series.virtual_s, lines, share, time: true });
  if (first.series && first.series.virtual_s && first.series.virtual_s.length > 1) {
    const s = first.series;
    if (!one || replications > 1) byId("series").append(element("p", "Of the first run: seed " + [].concat(first.seed)[0] + (one ? "" : ", " + label(first)) + ".", "hint"));
    overTime("Population", "nodes present", [{ label: "present", ys: s.online }]);
    overTime("Watchers that are wrong", "share of watch time", [{ label: "wrong", ys: s.wrong_watcher_share }]);
    overTime("Traffic by class", "bytes a second, whole network", ["handshake", "dht", "channel"].map((k) => ({ label: k, ys: rate(s, "bytes_" + k) })));
    overTime("Datagrams by class", "a second, whole network", ["handshake", "dht", "channel"].map((k) => ({ label: k, ys: rate(s, "packets_" + k) })));
    overTime("Changes and what watchers were told", "a second", [{ label: "changes", ys: rate(s, "changes") }, { label: "told", ys: rate(s, "notified") }]);
    overTime("Delay of a change", "mean of the interval, in one-way delays", [{ label: "delay", ys: gap(s.notify_delay_ratio, s.notified) }]);
    overTime("Lookups that found", "share of the interval", [{ label: "success", ys: gap(s.lookups_found.map((v, i) => v / Math.max(1, s.lookups[i])), s.lookups) }], true);
    overTime("Speed", "virtual seconds in a real one", [{ label: "speed", ys: s.virtual_s.map((v, i) => (v - (i ? s.virtual_s[i - 1] : 0)) / Math.max(1e-6, s.wall_s[i] - (i ? s.wall_s[i - 1] : 0))) }]);
  }

  // ---- sweeps: x is the first thing that was varied in numbers, a line for each of the rest
  /// A number, or a length of time in seconds; anything else is neither.
  const amount = (text) => {
    const found = /^(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(us|ms|s|m|h|d)?$/.exec(text);
    return found ? Number(found[1]) * { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 }[found[2] || "s"] : NaN;
  };
  const keys = one ? [] : Object.keys(first.set || {});
  const axis = keys.find((k) => points.every((p) => Number.isFinite(amount(p.set[k]))));
  if (axis !== undefined) {
    byId("sweep").hidden = false;
    const xs = [...new Set(points.map((p) => amount(p.set[axis])))].sort((a, b) => a - b);
    const timed = points.some((p) => /[a-z]$/.test(p.set[axis]));
    const rest = (p) => keys.filter((k) => k !== axis).map((k) => k + "=" + p.set[k]).join(", ") || "mean";
    const groups = [...new Set(points.map(rest))];
    const logX = xs.length > 2 && xs[0] > 0 && xs[xs.length - 1] / xs[0] >= 8;
    for (const [name, unit, what] of data.rows) {
      if (points.every((p) => !dig(p, name))) continue;
      const lines = groups.map((g) => {
        const of = (x) => points.find((p) => rest(p) === g && amount(p.set[axis]) === x);
        return { label: g, ys: xs.map((x) => (of(x) ? dig(of(x), name) ?? null : null)), half: xs.map((x) => (of(x) && dig(of(x), "ci95." + name)) || 0) };
      });
      draw(byId("sweep-plots"), { title: name + ": " + what, x: axis + (timed ? ", seconds" : ""), y: unit, xs, lines, dots: true, logX });
    }
  }
})();
