// The clock on the wall, also while a simulation of real libp2p has taken the global one.

/** Milliseconds since the process began. Import this before the simulation begins. */
export const wallMs: () => number = performance.now.bind(performance)
