export interface Sample {
  minute: number
  rssMb: number
  heapMb: number
}

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [800, 300, 60, 40, 20, 40]

/** Resident memory and used heap in MB, from nothing, over the minutes. */
export function plotSoak(samples: readonly Sample[], minutes: number): string {
  const top = Math.max(50, Math.ceil(Math.max(...samples.map(({ rssMb }) => rssMb || 0)) / 50) * 50)
  const x = (minute: number) => LEFT + (minute / minutes) * (WIDTH - LEFT - RIGHT)
  const y = (mb: number) => HEIGHT - BOTTOM - (mb / top) * (HEIGHT - TOP - BOTTOM)
  const line = (figure: 'rssMb' | 'heapMb', colour: string) => {
    const points = samples.filter(sample => sample[figure] > 0)
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(sample => `${x(sample.minute).toFixed(1)},${y(sample[figure]).toFixed(1)}`).join(' ')}"/>`
  }
  const grid = Array.from({ length: 6 }, (_, index) => (index * top) / 5)
    .map(
      mb =>
        `<line x1="${LEFT}" y1="${y(mb)}" x2="${WIDTH - RIGHT}" y2="${y(mb)}" stroke="#dddddd"/><text x="${LEFT - 8}" y="${y(mb) + 4}" text-anchor="end">${mb.toFixed(0)}</text>`,
    )
    .join('')
  const ticks = Array.from({ length: 6 }, (_, index) => (index * minutes) / 5)
    .map(
      minute =>
        `<text x="${x(minute)}" y="${HEIGHT - 20}" text-anchor="middle">${Number(minute.toFixed(1))}</text>`,
    )
    .join('')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#333333"><title>Memory of the gateway over the minutes of the load</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LEFT}" y="20">MB over minutes of the load: <tspan fill="#0b6e4f">resident memory</tspan>, <tspan fill="#3066be">used heap</tspan></text>
${grid}${ticks}
${line('rssMb', '#0b6e4f')}
${line('heapMb', '#3066be')}
</svg>
`
}
