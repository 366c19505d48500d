// From JSON Schema to llama.cpp's grammar notation: whatever the grammar lets through parses and satisfies the schema.

import { literal } from './grammar.ts'
import { integerRange } from './number-grammar.ts'

/** A keyword that a grammar cannot hold, with the place of its schema. */
export class UnsupportedKeyword extends Error {
  readonly keyword: string

  constructor(keyword: string, at: string, reason = 'is not supported') {
    super(`the JSON Schema keyword "${keyword}" at ${at} ${reason}`)
    this.keyword = keyword
  }
}

type Schema = { readonly [K in Keyword | (typeof unsupported)[number]]?: unknown }
type Keyword =
  | '$ref'
  | 'additionalProperties'
  | 'allOf'
  | 'anyOf'
  | 'const'
  | 'enum'
  | 'exclusiveMaximum'
  | 'exclusiveMinimum'
  | 'format'
  | 'items'
  | 'maxItems'
  | 'maxLength'
  | 'maxProperties'
  | 'maximum'
  | 'minItems'
  | 'minLength'
  | 'minProperties'
  | 'minimum'
  | 'oneOf'
  | 'prefixItems'
  | 'properties'
  | 'required'
  | 'type'

/** A schema of strangers: what it may make native code do. */
const depthMax = 64
const rulesMax = 4_096
/** llama.cpp refuses repetitions beyond 2000, and each costs it a rule. */
const repetitionsMax = 1_000

const fixedRules: Readonly<Record<string, string>> = {
  ws: '| " " | "\\n" [ \\t]{0,20}',
  char:
    '[\\x20-\\x21\\x23-\\x5B\\x5D-\\x7E\\u0080-\\uD7FF\\uE000-\\uFFFF\\U00010000-\\U0010FFFF] | ' +
    '"\\\\" (["\\\\bfnrt/] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  number: 'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  boolean: '"true" | "false"',
  value: 'object | array | string | number | boolean | "null"',
  object: '"{" ws (string ":" ws value ("," ws string ":" ws value)* ws)? "}"',
  array: '"[" ws (value ("," ws value)* ws)? "]"',
}

/** Of the formats that JSON Schema names, those a grammar can hold. No 29 February: it is not every year's. */
const time = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?'
const zone = '("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
const date =
  '[0-9]{4} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ' +
  '("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
const byte = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9]{2} | [1-9]? [0-9])'
const formats: Readonly<Record<string, string>> = {
  date,
  time: `${time} ${zone}`,
  'date-time': `${date} "T" ${time} ${zone}`,
  uuid: '[0-9a-f]{8} ("-" [0-9a-f]{4}){3} "-" [0-9a-f]{12}',
  ipv4: `${byte} ("." ${byte}){3}`,
}

/** What narrows a value in ways that no grammar here holds. */
const unsupported = [
  'not',
  'if',
  'then',
  'else',
  'pattern',
  'multipleOf',
  'patternProperties',
  'propertyNames',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'unevaluatedProperties',
  'unevaluatedItems',
  'contains',
  'minContains',
  'maxContains',
  'uniqueItems',
  '$dynamicRef',
  '$recursiveRef',
] as const

/** Rules under construction. */
export class JsonRules {
  readonly #rules = new Map<string, string>()
  /** Rules by what they say: the same schema twice is one rule. */
  readonly #names = new Map<string, string>()

  /** An expression for any JSON object. */
  anyObject(): string {
    this.fixed()
    return 'object'
  }

  /**
   * An expression for what satisfies the schema. Strict: a keyword that no grammar can hold throws `UnsupportedKeyword`;
   * otherwise it is left out, and more is let through.
   */
  schema(schema: unknown, isStrict: boolean): string {
    return new Builder(this, schema, isStrict).build()
  }

  /** The grammar of `root`. */
  text(root: string): string {
    const rules = [...this.#rules].map(([name, body]) => `${name} ::= ${body}`)
    return [`root ::= ${root}`, ...rules].join('\n')
  }

  /** The name of a rule. */
  add(body: string): string {
    const known = this.#names.get(body)
    if (known) return known
    const name = this.reserve()
    this.define(name, body)
    this.#names.set(body, name)
    return name
  }

  /** The name of a rule that is defined later: its body may hold the name. */
  reserve(): string {
    const name = `r${this.#rules.size}`
    if (this.#rules.size >= rulesMax) throw new UnsupportedKeyword('$schema', '#', `needs more than ${rulesMax} rules`)
    this.#rules.set(name, '""')
    return name
  }

  define(name: string, body: string): void {
    this.#rules.set(name, body)
  }

  /** Those that other rules name. */
  fixed(): void {
    for (const [name, body] of Object.entries(fixedRules)) this.#rules.set(name, body)
  }
}

class Builder {
  readonly #rules: JsonRules
  readonly #root: unknown
  readonly #isStrict: boolean
  readonly #refs = new Map<string, string>()

  constructor(rules: JsonRules, root: unknown, isStrict: boolean) {
    this.#rules = rules
    this.#root = root
    this.#isStrict = isStrict
    rules.fixed()
  }

  build(): string {
    return this.#rules.add(this.#value(this.#root, '#', 0))
  }

  #value(schema: unknown, at: string, depth: number): string {
    if (depth > depthMax) throw new UnsupportedKeyword('$ref', at, `is nested more than ${depthMax} deep`)
    if (schema === true || schema === undefined) return 'value'
    if (!isSchema(schema)) throw new UnsupportedKeyword(String(schema), at, 'is not a schema')
    for (const keyword of unsupported) if (!isIdle(keyword, schema[keyword])) this.#refuse(keyword, at)
    if (typeof schema.$ref === 'string') return this.#ref(schema.$ref, at, depth)
    if (schema.const !== undefined) return this.#literals([schema.const], schema, 'const', at)
    if (Array.isArray(schema.enum)) return this.#literals(schema.enum, schema, 'enum', at)
    for (const keyword of ['anyOf', 'oneOf', 'allOf'] as const) {
      const list = schema[keyword]
      if (Array.isArray(list) && list.length > 0) return this.#combined(keyword, list, schema, at, depth)
    }
    const types = typesOf(schema)
    if (types.length === 0) return 'value'
    return types.map((type) => this.#typed(type, schema, at, depth)).join(' | ')
  }

  #typed(type: string, schema: Schema, at: string, depth: number): string {
    switch (type) {
      case 'object':
        return this.#object(schema, at, depth)
      case 'array':
        return this.#array(schema, at, depth)
      case 'string':
        return this.#string(schema, at)
      case 'integer':
        return this.#integer(schema, at)
      case 'number':
        return this.#number(schema, at)
      case 'boolean':
        return 'boolean'
      case 'null':
        return '"null"'
      default:
        throw new UnsupportedKeyword('type', at, `is ${JSON.stringify(type)}, which JSON does not have`)
    }
  }

  #object(schema: Schema, at: string, depth: number): string {
    const properties = isRecord(schema.properties) ? schema.properties : {}
    const required = new Set(Array.isArray(schema.required) ? schema.required.map(String) : [])
    const others = schema.additionalProperties
    const names = Object.keys(properties)
    for (const name of required) {
      if (Object.hasOwn(properties, name)) continue
      if (others === false) throw new UnsupportedKeyword('required', at, `names "${name}", which is not allowed`)
      names.push(name)
    }
    const { maxProperties, minProperties } = schema
    if (typeof minProperties === 'number' && minProperties > required.size) this.#refuse('minProperties', at)
    if (typeof maxProperties === 'number' && maxProperties < names.length) this.#refuse('maxProperties', at)
    if (names.length === 0) {
      if (others === false || maxProperties === 0) return '"{" ws "}"'
      if (typeof maxProperties === 'number') this.#refuse('maxProperties', at)
      const value = this.#rules.add(this.#value(others ?? true, `${at}/additionalProperties`, depth + 1))
      return `"{" ws (string ":" ws ${value} ("," ws string ":" ws ${value})* ws)? "}"`
    }
    // Undeclared properties are left out even where the schema allows them: one could repeat a declared name.
    const pairs = names.map((name) => {
      const child = Object.hasOwn(properties, name) ? properties[name] : (others ?? true)
      const value = this.#rules.add(this.#value(child, `${at}/properties/${name}`, depth + 1))
      return { text: `${literal(JSON.stringify(name))} ":" ws ${value}`, isRequired: required.has(name) }
    })
    // From the last property backwards: what may follow, after another property and as the first.
    let next = ''
    let first = ''
    for (const { isRequired, text } of pairs.toReversed()) {
      const after = this.#rules.add(next === '' ? `"," ws ${text}` : `"," ws ${text} ${next}`)
      const begin = this.#rules.add(next === '' ? text : `${text} ${next}`)
      first = isRequired ? begin : this.#rules.add(first === '' ? `${begin}?` : `${begin} | ${first}`)
      next = isRequired ? after : this.#rules.add(next === '' ? `${after}?` : `${after} | ${next}`)
    }
    return `"{" ws ${first} ws "}"`
  }

  #array(schema: Schema, at: string, depth: number): string {
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
    const isClosed = schema.items === false
    const min = this.#count(schema.minItems, 'minItems', at) ?? 0
    const max = this.#count(schema.maxItems, 'maxItems', at) ?? Number.POSITIVE_INFINITY
    const head = prefix.map((item, index) =>
      this.#rules.add(this.#value(item, `${at}/prefixItems/${index}`, depth + 1)),
    )
    if (head.length > 0) {
      if (max < head.length) this.#refuse('maxItems', at)
      if (isClosed && min > head.length) throw new UnsupportedKeyword('minItems', at, 'is more than prefixItems allow')
    }
    const item = isClosed ? '' : this.#rules.add(this.#value(schema.items, `${at}/items`, depth + 1))
    const most = isClosed ? head.length : Math.max(max, head.length)
    if (head.length > 0) {
      const rest =
        most > head.length ? ` ("," ws ${item})${times(Math.max(0, min - head.length), most - head.length)}` : ''
      return `"[" ws ${head.join(' "," ws ')}${rest} ws "]"`
    }
    if (most === 0) return '"[" ws "]"'
    const more = most > 1 ? ` ("," ws ${item})${times(Math.max(0, min - 1), most - 1)}` : ''
    const list = `${item}${more} ws`
    return min > 0 ? `"[" ws ${list} "]"` : `"[" ws (${list})? "]"`
  }

  #string(schema: Schema, at: string): string {
    const { format } = schema
    const min = this.#count(schema.minLength, 'minLength', at) ?? 0
    const max = this.#count(schema.maxLength, 'maxLength', at) ?? Number.POSITIVE_INFINITY
    if (typeof format === 'string') {
      const known = Object.hasOwn(formats, format) ? formats[format] : undefined
      if (known !== undefined && min === 0 && max === Number.POSITIVE_INFINITY) return `"\\"" ${known} "\\""`
      this.#refuse('format', at)
    }
    return min === 0 && max === Number.POSITIVE_INFINITY ? 'string' : `"\\"" char${times(min, max)} "\\""`
  }

  #integer(schema: Schema, at: string): string {
    const { exclusiveMaximum, exclusiveMinimum, maximum, minimum } = schema
    const mins = [minimum, typeof exclusiveMinimum === 'number' ? Math.floor(exclusiveMinimum) + 1 : undefined]
    const maxs = [maximum, typeof exclusiveMaximum === 'number' ? Math.ceil(exclusiveMaximum) - 1 : undefined]
    const min = Math.ceil(Math.max(...mins.filter(isNumber), Number.NEGATIVE_INFINITY))
    const max = Math.floor(Math.min(...maxs.filter(isNumber), Number.POSITIVE_INFINITY))
    if (min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY) return 'integer'
    if (min > max) throw new UnsupportedKeyword('minimum', at, `allows no integer: ${min} to ${max}`)
    return `(${integerRange(min, max)})`
  }

  #number(schema: Schema, at: string): string {
    for (const keyword of ['maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const) {
      if (schema[keyword] !== undefined) this.#refuse(keyword, at)
    }
    if (schema.minimum === undefined) return 'number'
    if (schema.minimum !== 0) this.#refuse('minimum', at)
    return '("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?'
  }

  #literals(values: readonly unknown[], schema: Schema, keyword: string, at: string): string {
    const types = typeof schema.type === 'string' || Array.isArray(schema.type) ? typesOf(schema) : undefined
    const fitting = values.filter((value) => !types || types.some((type) => isOfType(value, type)))
    if (fitting.length === 0) throw new UnsupportedKeyword(keyword, at, 'allows no value')
    return fitting.map((value) => literal(JSON.stringify(value))).join(' | ')
  }

  #combined(keyword: string, list: readonly unknown[], schema: Schema, at: string, depth: number): string {
    // Beside these only what says the same for each: a type, and notes for people.
    const beside = ['properties', 'required', 'items', 'prefixItems', 'additionalProperties', 'format'] as const
    for (const other of beside) if (schema[other] !== undefined) this.#refuse(other, at)
    if (keyword === 'allOf' && list.length > 1) this.#refuse('allOf', at)
    if (keyword === 'oneOf' && !areDisjoint(list)) this.#refuse('oneOf', at)
    const chosen = keyword === 'allOf' ? list.slice(0, 1) : list
    return chosen
      .map((each, index) => this.#rules.add(this.#value(each, `${at}/${keyword}/${index}`, depth + 1)))
      .join(' | ')
  }

  #ref(ref: string, at: string, depth: number): string {
    const known = this.#refs.get(ref)
    if (known) return known
    if (!ref.startsWith('#')) throw new UnsupportedKeyword('$ref', at, `is ${JSON.stringify(ref)}, expected "#/…"`)
    let target: unknown = this.#root
    for (const part of ref.slice(1).split('/').slice(1)) {
      const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
      target =
        (isRecord(target) || Array.isArray(target)) && Object.hasOwn(target, name) ? Reflect.get(target, name) : null
    }
    if (target === null || target === undefined) {
      throw new UnsupportedKeyword('$ref', at, `is ${JSON.stringify(ref)}, which is not there`)
    }
    const name = this.#rules.reserve()
    this.#refs.set(ref, name)
    this.#rules.define(name, this.#value(target, ref, depth + 1))
    return name
  }

  #count(value: unknown, keyword: string, at: string): number | undefined {
    if (value === undefined) return undefined
    if (isNumber(value) && value >= 0 && value <= repetitionsMax) return Math.ceil(value)
    this.#refuse(keyword, at, `is ${JSON.stringify(value)}, expected 0 to ${repetitionsMax}`)
    return undefined
  }

  #refuse(keyword: string, at: string, reason?: string): void {
    if (this.#isStrict) throw new UnsupportedKeyword(keyword, at, reason)
  }
}

function times(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : `{${min},}`
  return `{${min},${Math.max(min, max)}}`
}

function isSchema(value: unknown): value is Schema {
  return isRecord(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A keyword that is there and asks for nothing. Undeclared properties and items are not said in any case. */
function isIdle(keyword: (typeof unsupported)[number], value: unknown): boolean {
  if (value === undefined) return true
  if (keyword === 'uniqueItems') return value === false
  if (keyword === 'multipleOf') return value === 1
  if (keyword === 'unevaluatedProperties' || keyword === 'unevaluatedItems') return typeof value === 'boolean'
  return keyword !== 'not' && keyword !== 'contains' && isRecord(value) && Object.keys(value).length === 0
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** Where a schema names no type: what its keywords are about. */
function typesOf({ type, ...schema }: Schema): readonly string[] {
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.map(String)
  if (schema.properties !== undefined || schema.required !== undefined || schema.additionalProperties !== undefined) {
    return ['object']
  }
  if (schema.items !== undefined || schema.prefixItems !== undefined) return ['array']
  if (schema.format !== undefined || schema.minLength !== undefined || schema.maxLength !== undefined) return ['string']
  return schema.minimum !== undefined || schema.maximum !== undefined ? ['integer'] : []
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isRecord(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

/** `oneOf` forbids what satisfies two: then no value may. By type, or by a required property with values of its own. */
function areDisjoint(list: readonly unknown[]): boolean {
  return list.every((one, at) => list.slice(at + 1).every((other) => isDisjoint(one, other)))
}

function isDisjoint(one: unknown, other: unknown): boolean {
  if (!isSchema(one) || !isSchema(other)) return false
  const [values, otherValues] = [valuesOf(one), valuesOf(other)]
  if (values && otherValues) return values.every((value) => !otherValues.includes(value))
  const wide = (types: readonly string[]): readonly string[] =>
    types.map((type) => (type === 'integer' ? 'number' : type))
  const [types, otherTypes] = [wide(typesOf(one)), wide(typesOf(other))]
  if (types.length > 0 && otherTypes.length > 0 && types.every((type) => !otherTypes.includes(type))) return true
  const properties = isRecord(one.properties) ? one.properties : {}
  const otherProperties = isRecord(other.properties) ? other.properties : {}
  const isRequired = (schema: Schema, name: string): boolean =>
    Array.isArray(schema.required) && schema.required.includes(name)
  return Object.keys(properties).some((name) => {
    const [mine, its] = [valuesOf(properties[name]), valuesOf(otherProperties[name])]
    return isRequired(one, name) && isRequired(other, name) && mine?.every((value) => its?.includes(value) === false)
  })
}

function valuesOf(schema: unknown): readonly string[] | undefined {
  if (!isSchema(schema)) return undefined
  if (schema.const !== undefined) return [JSON.stringify(schema.const)]
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : undefined
}
