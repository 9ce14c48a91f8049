// Points in time as signed documents write them: UTC, whole seconds (ISO 8601, RFC 3339).

/** Downwards to a whole second: nothing expires later than was meant. */
export const instantOf = (ms: number): string =>
  `${new Date(Math.floor(ms / 1_000) * 1_000).toISOString().slice(0, 19)}Z`;

/** NaN for what is no date. */
export const instantMs = (instant: string): number => Date.parse(instant);
