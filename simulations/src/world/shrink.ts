// The shortest trace of a failing seed that can be found: happenings are left out, halves first and single ones last, as
// long as the same thing goes wrong (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).

import type { Outcome } from './storm.ts';

/** `run` tries again with these places of the weather left out. */
export async function shrink(
  failed: Outcome,
  run: (without: ReadonlySet<number>) => Promise<Outcome>,
  runsMax: number,
): Promise<Outcome> {
  const rule = failed.violation?.rule;
  const all = [...failed.happenings.keys()];
  let best = failed;
  let runs = 0;
  for (
    let size = Math.ceil(all.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    let from = 0;
    while (from < best.happenings.size && runs < runsMax) {
      const kept = [...best.happenings.keys()];
      const fewer = new Set([...kept.slice(0, from), ...kept.slice(from + size)]);
      runs++;
      const tried = await run(new Set(all.filter((place) => !fewer.has(place))));
      if (tried.violation?.rule === rule) best = tried;
      else from += size;
    }
  }
  return best;
}
