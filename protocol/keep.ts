// A map that forgets: what is kept replaces what was kept longest ago, so that no peer can make it grow.

/** Sets the newest entry and drops the oldest beyond `max`; an entry that is there already becomes the newest. */
export function keep<K, V>(map: Map<K, V>, key: K, value: V, max: number): V {
  map.delete(key) // a map is in the order in which its keys were set first
  map.set(key, value)
  if (map.size > max) {
    const oldest = map.keys().next()
    if (!oldest.done) map.delete(oldest.value)
  }
  return value
}
