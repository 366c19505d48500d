// The hours in which a provider serves: read from text, asked for any moment. Pure: the zone is named, never the machine's.

/** One rule: on these days, from one minute of the day to another; past midnight where `to` is not after `from`. */
interface Window {
  /** Begins on these, 0 is Monday. */
  readonly days: ReadonlySet<number>
  readonly fromMinute: number
  readonly toMinute: number
}

export interface Schedule {
  /** None means always. */
  readonly windows: readonly Window[]
  /** IANA, such as `Europe/Berlin`. */
  readonly zone: string
}

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const minutesADay = 24 * 60
const minuteMs = 60_000
/** Offsets from UTC are whole quarters of an hour, and change at such. */
const quarterMinutes = 15
const weekMs = 7 * minutesADay * minuteMs

/** Each entry is days, hours or both: `sat`, `mon-fri`, `22:00-07:00`, `fri 22:00-07:00`. Throws `RangeError`. */
export function parseSchedule(entries: readonly string[], zone: string): Schedule {
  const named = zone === '' ? 'UTC' : zone
  clockOf(named)
  return { windows: entries.map(parseWindow), zone: named }
}

function parseWindow(entry: string): Window {
  const match = /^(?:([a-z]{3})(?:-([a-z]{3}))?)?\s*(?:(\d{2}):(\d{2})-(\d{2}):(\d{2}))?$/.exec(
    entry.trim().toLowerCase(),
  )
  const [, first, last = first, fromHour, fromMinute, toHour, toMinute] = match ?? []
  if (!match || (first === undefined && fromHour === undefined)) throw wrong(entry)
  const days = first === undefined || last === undefined ? allDays : daysBetween(first, last, entry)
  if (fromHour === undefined) return { days, fromMinute: 0, toMinute: 0 }
  return { days, fromMinute: minuteOf(entry, fromHour, fromMinute), toMinute: minuteOf(entry, toHour, toMinute) }
}

const allDays: ReadonlySet<number> = new Set(dayNames.keys())

function daysBetween(first: string, last: string, entry: string): ReadonlySet<number> {
  const [from, to] = [dayNames.indexOf(first), dayNames.indexOf(last)]
  if (from < 0 || to < 0) throw wrong(entry)
  const count = ((to - from + 7) % 7) + 1
  return new Set(Array.from({ length: count }, (_, at) => (from + at) % 7))
}

function minuteOf(entry: string, hour = '', minute = ''): number {
  const [hours, minutes] = [Number(hour), Number(minute)]
  if (hours > 24 || minutes > 59 || hours * 60 + minutes > minutesADay) throw wrong(entry)
  return (hours * 60 + minutes) % minutesADay
}

function wrong(entry: string): RangeError {
  return new RangeError(
    `"${entry.slice(0, 40)}", expected days, hours or both, such as sat, mon-fri, 22:00-07:00 or fri 22:00-07:00`,
  )
}

export function isOpenAt({ windows, zone }: Schedule, nowMs: number): boolean {
  if (windows.length === 0) return true
  const { day, minute } = localTime(zone, nowMs)
  return windows.some(({ days, fromMinute, toMinute }) => {
    if (fromMinute < toMinute) return days.has(day) && minute >= fromMinute && minute < toMinute
    return (days.has(day) && minute >= fromMinute) || (days.has((day + 6) % 7) && minute < toMinute)
  })
}

/** When it is next open where it is closed, and closed where it is open; undefined where it never is. Unix milliseconds. */
export function changesAtMs(schedule: Schedule, nowMs: number): number | undefined {
  const { windows, zone } = schedule
  if (windows.length === 0) return undefined
  const isOpen = isOpenAt(schedule, nowMs)
  const edges = windows.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute])
  for (let atMs = nowMs - (nowMs % minuteMs); atMs <= nowMs + weekMs + minutesADay * minuteMs; ) {
    if (atMs > nowMs && isOpenAt(schedule, atMs) !== isOpen) return atMs
    const { minute } = localTime(zone, atMs)
    const steps = edges.map((edge) => (edge - minute + minutesADay) % minutesADay || minutesADay)
    atMs += Math.min(quarterMinutes - (minute % quarterMinutes), ...steps) * minuteMs
  }
  return undefined
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** Throws `RangeError` for a zone that nobody knows. */
function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone)
  if (known) return known
  try {
    const clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    clocks.set(zone, clock)
    return clock
  } catch {
    throw new RangeError(`zone "${zone.slice(0, 40)}", expected an IANA name such as Europe/Berlin`)
  }
}

function localTime(zone: string, atMs: number): { readonly day: number; readonly minute: number } {
  const parts = new Map(
    clockOf(zone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, value]),
  )
  return {
    day: dayNames.indexOf((parts.get('weekday') ?? '').toLowerCase()),
    minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  }
}
