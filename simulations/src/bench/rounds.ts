// Cases measured side by side: each once a round, every other round in the reverse order, so that neither warmth nor
// what else the machine does favours one of them.

type Cases<R> = { readonly [K in keyof R]: () => Promise<R[K]> };
type Rounds<R> = { readonly [K in keyof R]: readonly R[K][] };

export async function inRounds<R extends object>(
  rounds: number,
  cases: Cases<R>,
  onCase: (name: string) => void,
): Promise<Rounds<R>> {
  const names = Object.keys(cases) as (keyof R & string)[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as {
    [K in keyof R]: R[K][];
  };
  for (let round = 0; round < rounds; round++)
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      onCase(name);
      results[name].push(await cases[name]());
    }
  return results;
}
