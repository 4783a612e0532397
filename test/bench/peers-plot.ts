import { loads } from './peers-load.ts'
import type { Figures } from './peers-report.ts'
import { contenders } from './peers-servers.ts'

/** Told apart without colour as well: each line ends in a number that the legend names. */
const COLOURS = ['#0b6e4f', '#d1495b', '#3066be', '#edae49', '#7d5ba6', '#555555']
const [WIDTH, HEIGHT, COLUMNS, MARGIN, TOP] = [330, 210, 3, 52, 70]

/** One panel a load: requests a second, from nothing, over the numbers of connections. */
export function plotPeers(figures: readonly Figures[]): string {
  const shown = loads.filter(load => figures.some(row => row.load === load.name))
  const rows = Math.ceil(shown.length / COLUMNS)
  const panels = shown.map((load, index) => panel(load, figures, index)).join('\n')
  const legend = contenders
    .map(({ title }, index) => {
      const [x, y] = [20 + (index % 3) * 320, 22 + Math.floor(index / 3) * 20]
      return `<line x1="${x}" y1="${y - 4}" x2="${x + 22}" y2="${y - 4}" stroke="${COLOURS[index]}" stroke-width="3"/><text x="${x + 28}" y="${y}">${index + 1} ${escapeXml(title)}</text>`
    })
    .join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH} ${TOP + rows * HEIGHT}" font-family="sans-serif" font-size="12"><title>Requests a second by connections, of each server and load</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${legend}
${panels}
</svg>
`
}

function panel(load: (typeof loads)[number], figures: readonly Figures[], index: number): string {
  const own = figures.filter(row => row.load === load.name)
  const connections = [...new Set(own.map(row => row.connections))].sort((one, other) => one - other)
  const most = Math.max(...own.map(row => row.perSecond))
  const step = roundStep(most / 4)
  const top = Math.ceil(most / step) * step
  const [left, above] = [(index % COLUMNS) * WIDTH, TOP + Math.floor(index / COLUMNS) * HEIGHT]
  const [width, height] = [WIDTH - MARGIN - 24, HEIGHT - 62]
  const x = (count: number) =>
    left +
    MARGIN +
    (connections.length === 1 ? width / 2 : (connections.indexOf(count) / (connections.length - 1)) * width)
  const y = (value: number) => above + 28 + height - (value / top) * height
  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, line) => line * step)
    .map(
      value =>
        `<line x1="${left + MARGIN}" y1="${y(value)}" x2="${left + MARGIN + width}" y2="${y(value)}" stroke="#dddddd"/><text x="${left + MARGIN - 6}" y="${y(value) + 4}" text-anchor="end" fill="#555555">${value.toLocaleString('en')}</text>`,
    )
    .join('')
  const ticks = connections
    .map(
      count =>
        `<text x="${x(count)}" y="${above + HEIGHT - 16}" text-anchor="middle" fill="#555555">${count}</text>`,
    )
    .join('')
  const lines = contenders
    .map(({ name }, order) => {
      const points = own
        .filter(row => row.server === name)
        .sort((one, other) => one.connections - other.connections)
      const last = points.at(-1)
      if (!last) return ''
      const path = points
        .map(row => `${x(row.connections).toFixed(1)},${y(row.perSecond).toFixed(1)}`)
        .join(' ')
      const dots = points
        .map(
          row => `<circle cx="${x(row.connections).toFixed(1)}" cy="${y(row.perSecond).toFixed(1)}" r="3"/>`,
        )
        .join('')
      return `<g fill="${COLOURS[order]}"><polyline points="${path}" fill="none" stroke="${COLOURS[order]}" stroke-width="2"/>${dots}<text x="${x(last.connections) + 8}" y="${y(last.perSecond) + 4}">${order + 1}</text></g>`
    })
    .join('')
  return `<text x="${left + MARGIN}" y="${above + 14}" font-weight="bold">${escapeXml(load.name)}: requests/s by connections</text>${grid}${ticks}${lines}`
}

/** 1, 2 or 5 times a power of ten. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return (value > 5 * power ? 10 : value > 2 * power ? 5 : value > power ? 2 : 1) * power
}

const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
