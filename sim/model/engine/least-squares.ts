// Linear least squares where no unknown may be negative.

const sweepsMax = 20_000

/** Coordinate descent on the normal equations; each row has one entry an unknown. Converges for any start; begins at 0. */
export function leastSquares(rows: readonly (readonly number[])[], targets: readonly number[]): number[] {
  const count = rows[0]?.length ?? 0
  const square = Array.from({ length: count }, () => new Float64Array(count))
  const right = new Float64Array(count)
  rows.forEach((row, line) => {
    for (let a = 0; a < count; a += 1) {
      const value = row[a] ?? 0
      if (value === 0) continue
      right[a] = (right[a] ?? 0) + value * (targets[line] ?? 0)
      const sums = square[a]
      for (let b = 0; b < count && sums; b += 1) sums[b] = (sums[b] ?? 0) + value * (row[b] ?? 0)
    }
  })
  const solved = new Array<number>(count).fill(0)
  for (let sweep = 0; sweep < sweepsMax; sweep += 1) {
    let moved = 0
    for (let a = 0; a < count; a += 1) {
      const sums = square[a]
      const diagonal = sums?.[a] ?? 0
      if (!sums || diagonal === 0) continue
      const others = solved.reduce((sum, value, b) => (b === a ? sum : sum + value * (sums[b] ?? 0)), 0)
      const next = Math.max(0, ((right[a] ?? 0) - others) / diagonal)
      moved = Math.max(moved, Math.abs(next - (solved[a] ?? 0)) / Math.max(1e-9, Math.abs(next)))
      solved[a] = next
    }
    if (moved < 1e-10) break
  }
  return solved
}
