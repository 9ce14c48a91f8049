// The largest n that something holds for: doubled until it fails or `most` is reached, then halved in between.

export interface Bounds {
  readonly first: number;
  readonly most: number;
  /** Between the largest that held and the smallest that did not, as a share of the former. */
  readonly precision: number;
  readonly triesMax: number;
}

/** Of those tried, the largest that held; 0 where none did. Assumes that what holds for n holds for less. */
export async function findLargest(
  { first, most, precision, triesMax }: Bounds,
  holds: (n: number) => Promise<boolean>,
): Promise<number> {
  let held = 0;
  let failed = most + 1;
  let next = Math.min(first, most);
  for (let tries = 0; tries < triesMax && failed - held > Math.max(1, held * precision); tries++) {
    if (await holds(next)) held = next;
    else failed = next;
    next = failed > most ? Math.min(most, held * 2) : Math.floor((held + failed) / 2);
    if (held === most) break;
  }
  return held;
}
