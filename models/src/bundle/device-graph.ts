// What of a bundle learns on devices: the graph of the one stage that runs there, of which a device has the bytes and whose
// input its examples are.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { Exit, Manifest } from './manifest.ts';

/** Its exit. Fails with `invalid_argument` where a bundle has another number of such stages, or none that answers. */
export function deviceExitOf({ name, stages, exits }: Manifest): Result<Exit> {
  const refuse = (why: string) =>
    err(failure('invalid_argument', `the graph of ${name} is not trained: ${why}`));
  const [stage, second] = stages.filter(({ side }) => side === 'edge');
  if (stage === undefined) return refuse('no stage of it runs on devices');
  if (second !== undefined)
    return refuse(`of its stages ${stage.name} and ${second.name} both run on devices`);
  const exit = exits.find((each) => each.stage === stage.name);
  return exit === undefined ? refuse(`no answer leaves from its stage ${stage.name}`) : ok(exit);
}
