// A key and where it stands, as the gateway tells it: to its holder, and of all keys to their owner. Fields named as OpenAI
// names its own, amounts in nano as decimal strings.

import type { Nano } from '../../protocol/money.ts'
import type { Budgets } from './budgets.ts'
import type { ApiKey, Bearer } from './keys.ts'

/** Null where there is no limit. */
export interface KeyView {
  readonly object: 'key'
  readonly name: string
  /** The first characters of the secret; null for the owner's. */
  readonly key: string | null
  /** Unix seconds, as everywhere in OpenAI's API. */
  readonly created: number | null
  readonly expires: number | null
  readonly models: readonly string[] | null
  readonly budget_nano: string | null
  readonly day_budget_nano: string | null
  readonly request_nano_max: string | null
  readonly spent_nano: string | null
  /** Held by requests under way. */
  readonly held_nano: string | null
  readonly left_nano: string | null
  readonly day_spent_nano: string | null
  readonly day_left_nano: string | null
  /** By date in UTC, the latest 31 with any cost. */
  readonly days: Readonly<Record<string, string>> | null
}

/** Without `budgets` nothing is known of what was spent. */
export function keyView(bearer: Bearer, budgets: Budgets | undefined): KeyView {
  if (bearer === 'owner') return { ...blank, name: 'owner' }
  const { budgetNano, createdAtMs, dayNano, expiresAtMs, models, name, requestNano, shown } = bearer
  return {
    ...blank,
    name,
    key: shown,
    created: Math.floor(createdAtMs / 1_000),
    expires: expiresAtMs === undefined ? null : Math.floor(expiresAtMs / 1_000),
    models: models ?? null,
    budget_nano: amount(budgetNano),
    day_budget_nano: amount(dayNano),
    request_nano_max: amount(requestNano),
    ...(budgets && spendOf(bearer, budgets)),
  }
}

function spendOf(key: ApiKey, budgets: Budgets): Partial<KeyView> {
  const { dayLeftNano, days, daySpentNano, heldNano, leftNano, spentNano } = budgets.standing(key)
  return {
    spent_nano: amount(spentNano),
    held_nano: amount(heldNano),
    left_nano: amount(leftNano),
    day_spent_nano: amount(daySpentNano),
    day_left_nano: amount(dayLeftNano),
    days: Object.fromEntries(days.map((day) => [day.date, day.spentNano.toString()])),
  }
}

const blank: KeyView = {
  object: 'key',
  name: '',
  key: null,
  created: null,
  expires: null,
  models: null,
  budget_nano: null,
  day_budget_nano: null,
  request_nano_max: null,
  spent_nano: null,
  held_nano: null,
  left_nano: null,
  day_spent_nano: null,
  day_left_nano: null,
  days: null,
}

function amount(nano: Nano | undefined): string | null {
  return nano === undefined ? null : nano.toString()
}
