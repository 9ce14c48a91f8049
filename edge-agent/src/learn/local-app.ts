// The app itself, without a mod: trains on this device's examples, evaluates with those that are held out, and says what may
// be said of them.

import { assert, err, failure, ok } from '@skerry/shared';
import { cellName } from '@skerry/sync-protocol/learn';
import type { ClientApp } from './client-app.ts';
import { countCells } from './count-cells.ts';

export const localApp: ClientApp = {
  async train(message, { trainer, examples, signal, random }) {
    if (message.type === 'secure')
      return err(failure('invalid_argument', `nobody masks here, at stage '${message.stage}'`));
    const { plan, parameters, correction } = message;
    const start = plan.startLoss
      ? await trainer.evaluate({ plan, parameters }, examples.train)
      : undefined;
    if (start?.ok === false) return start;
    const work = { plan, parameters, seed: random.uint32(), ...(correction && { correction }) };
    const trained = await trainer.train(work, examples.train, signal);
    if (!trained.ok) return trained;
    const { loss, delta, ...counts } = trained.value;
    assert(delta.length === parameters.length, 'a delta has the length of what it is added to');
    // It would be refused, and the reason is nearer here.
    if (!delta.every(Number.isFinite))
      return err(failure('runtime_failed', 'training has diverged: a parameter is not finite'));
    const metrics = { loss, ...(start && { startLoss: start.value.loss }) };
    return ok({ type: 'trained', ...counts, delta, metrics: finite(metrics) });
  },

  async evaluate({ plan, parameters }, { trainer, examples }) {
    const evaluated = await trainer.evaluate({ plan, parameters }, examples.heldOut);
    if (!evaluated.ok) return evaluated;
    const { examples: count, loss, accuracy } = evaluated.value;
    return ok({ type: 'evaluated', examples: count, metrics: finite({ loss, accuracy }) });
  },

  async query({ plan: { question } }, { examples }) {
    const counts = countCells(question, examples.train);
    if (!counts.ok) return counts;
    const values = Object.fromEntries(counts.value.map((count, cell) => [cellName(cell), count]));
    return ok({ type: 'queried', examples: examples.train.labels.length, values });
  },
};

/** A number that is none says nothing, and does not travel. */
const finite = (metrics: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
