// Counts as people read them: `1 provider`, `3 providers`.

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
