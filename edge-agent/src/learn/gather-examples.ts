// Kept examples as a client takes them: one behind the other, their labels as places among the model's.

import type { ExampleStore } from './example-store.ts';
import type { Examples } from './examples.ts';
import type { LearningModel } from './learn-ports.ts';

/** Another version of the model may have taken other inputs. */
export const fitting = (
  examples: Pick<ExampleStore, 'list'>,
  { name, datatype, shape }: LearningModel,
) =>
  examples
    .list(name)
    .filter((entry) => entry.datatype === datatype && String(entry.shape) === String(shape));

export function gather(
  ids: readonly string[],
  model: LearningModel | undefined,
  store: Pick<ExampleStore, 'read'>,
): Examples {
  if (model === undefined)
    return { datatype: 'UINT8', shape: [], inputs: new Uint8Array(), labels: new Int32Array() };
  const { datatype, shape, labels: names } = model;
  const kept = store.read(ids);
  const [one] = kept;
  const inputs = new Uint8Array(kept.length * (one?.data.length ?? 0));
  for (const [i, { data }] of kept.entries()) inputs.set(data, i * data.length);
  return {
    datatype,
    shape,
    inputs,
    labels: Int32Array.from(kept, ({ label }) => names.indexOf(label)),
  };
}
