import type { FindingType } from './archetype-weights.ts'
import type { Finding } from './findings.ts'
import { amountText, capitalised, dateText, daysText, differenceText, listText } from './wording.ts'

export interface FindingText {
  title: string
  body: string
}

/** A finding in words of everyday: what was seen, in which days, in the unit its user knows. */
export function textOf(finding: Finding): FindingText {
  const { title, body } = texts[finding.type](finding)
  return { title, body: `${body}${verdicts[finding.judgement]}` }
}

const verdicts = {
  good: ' That is a good sign.',
  bad: ' That is worth your attention.',
  neutral: '',
} satisfies Record<Finding['judgement'], string>

const texts: Record<FindingType, (finding: Finding) => FindingText> = {
  trend: ({ metric }) => {
    const { name } = metric.record.entry
    const { series, trend } = metric.statistics
    const [start, end] = [trend?.start ?? 0, trend?.end ?? 0]
    const aDay = metric.record.entry.perDay === 'mean' ? '' : ' a day'
    const verb = end > start ? 'rose' : 'fell'
    return {
      title: `${capitalised(name)} ${verb} by ${differenceText(metric, start, end)}`,
      body:
        `From ${spanText(series.days)} your ${name} ${verb} from about ${amountText(metric, start)} to about ` +
        `${amountText(metric, end)}${aDay}, seen over ${daysText(series.days.length)} with data.`,
    }
  },

  shift: ({ metric }) => {
    const { name } = metric.record.entry
    const { days, observed, usual, usualDays } = metric.statistics.shift ?? noShift
    return {
      title: `${capitalised(name)} ${observed > usual ? 'above' : 'below'} your usual`,
      body:
        `${days === 1 ? 'On the latest day with data' : `On the latest ${days} days with data`} your ${name} came to ` +
        `${amountText(metric, observed)}, against a usual ${amountText(metric, usual)} on the ${usualDays} before.`,
    }
  },

  level: ({ metric, judgement }) => {
    const { name, goodDay, poorDay } = metric.record.entry
    const { windowDays, windowMedian } = metric.statistics
    const { inTitle, inBody, holds } =
      judgement === 'good' ? goodLevel(metric, goodDay) : poorLevel(metric, poorDay, windowMedian)
    return {
      title: `${capitalised(name)} ${inTitle} on most days`,
      body:
        `From ${spanText(windowDays.days)} your ${name} ${inBody} on ${windowDays.values.filter(holds).length} of ` +
        `${daysText(windowDays.values.length)} with data; the day in the middle had ${amountText(metric, windowMedian)}.`,
    }
  },

  weekend: ({ metric }) => {
    const { name } = metric.record.entry
    const { weekdays, weekendDays, weekdayMedian, weekendMedian } = metric.statistics.weekend ?? noWeekend
    const more = weekendMedian > weekdayMedian
    return {
      title: `Weekend ${more ? 'peak' : 'dip'} in ${name}`,
      body:
        `On ${weekendDays} weekend days your ${name} usually came to ${amountText(metric, weekendMedian)}, on ` +
        `${weekdays} weekdays to ${amountText(metric, weekdayMedian)}: a difference of ` +
        `${differenceText(metric, weekdayMedian, weekendMedian)}.`,
    }
  },

  outliers: ({ metric }) => {
    const { name } = metric.record.entry
    const { series, outliers } = metric.statistics
    const count = outliers.length
    const shown = outliers
      .toSorted((a, b) => Math.abs(b.distance) - Math.abs(a.distance) || a.day - b.day)
      .slice(0, 3)
      .toSorted((a, b) => a.day - b.day)
      .map(({ day, value, expected }) => {
        return `${amountText(metric, value)} on ${dateText(day)} (about ${amountText(metric, expected)} was usual)`
      })
    return {
      title: `${count === 1 ? '1 unusual day' : `${count} unusual days`} in ${name}`,
      body:
        `Of ${daysText(series.days.length)} with data, ${count === 1 ? '1 stands' : `${count} stand`} out in your ` +
        `${name}: ${listText(shown)}.`,
    }
  },

  unevenness: ({ metric }) => {
    const { name } = metric.record.entry
    const { series, spread, median } = metric.statistics
    return {
      title: `Uneven ${name}`,
      body:
        `Over ${daysText(series.days.length)} with data your ${name} went up and down by about ` +
        `${amountText(metric, spread)} around a usual ${amountText(metric, median)}.`,
    }
  },

  regularity: ({ metric }) => {
    const { name } = metric.record.entry
    const { daysRecorded, daysInWindow, longestGapDays } = metric.recording
    return {
      title: `Record ${name} more often`,
      body:
        `Your ${name} came in on ${daysRecorded} of ${daysText(daysInWindow)}` +
        `${longestGapDays > 1 ? `, with ${longestGapDays} days in a row without any` : ''}. ` +
        `With a value on most days this analysis can tell you more.`,
    }
  },
}

const noShift = { days: 0, observed: 0, usual: 0, usualDays: 0 }
const noWeekend = { weekdays: 0, weekendDays: 0, weekdayMedian: 0, weekendMedian: 0 }

interface Level {
  inTitle: string
  inBody: string
  holds: (value: number) => boolean
}

function goodLevel(metric: Finding['metric'], range: { from: number; to: number } | null): Level {
  const { from, to } = range ?? { from: 0, to: 0 }
  const open = to >= metric.record.entry.plausible.to
  const text = open
    ? `${amountText(metric, from)} or more`
    : `${amountText(metric, from)} to ${amountText(metric, to)}`
  return {
    inTitle: `at ${text}`,
    inBody: open ? `reached ${text}` : `stayed within ${text}`,
    holds: value => value >= from && value <= to,
  }
}

function poorLevel(
  metric: Finding['metric'],
  bounds: { below: number; above: number } | null,
  windowMedian: number,
): Level {
  const { below, above } = bounds ?? { below: 0, above: 0 }
  const side =
    windowMedian > above ? `above ${amountText(metric, above)}` : `below ${amountText(metric, below)}`
  return {
    inTitle: side,
    inBody: `stayed ${side}`,
    holds: value => (windowMedian > above ? value > above : value < below),
  }
}

function spanText(days: readonly number[]): string {
  return `${dateText(days[0] ?? 0)} to ${dateText(days.at(-1) ?? 0)}`
}
