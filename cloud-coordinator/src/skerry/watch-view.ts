// A rollout or a learning run as it goes on, until it is over: drawn anew on a terminal, else as one block or line for each
// change. Where the connection breaks it is made again.

import { err, failure, messageOf, ok, parseJson, type Result, sleep } from '@skerry/shared';
import type { z } from 'zod';
import type { Answer, Call } from './command.ts';
import { failureOf } from './coordinator-client.ts';
import { printable } from './printable.ts';
import { readEvents } from './read-events.ts';

export interface Watched<View> {
  /** Of its events. */
  readonly path: string;
  readonly schema: z.ZodType<View>;
  draw(view: View): string;
  /** How it has ended; `undefined`: it has not. */
  endOf(view: View): 'good' | 'bad' | undefined;
}

const reconnectMs = 1_000;
/** In a row, with nothing heard between them. */
const reconnectsMax = 30;

const alreadyShown = { text: '', value: undefined };

export async function watchView<View>(
  call: Call<unknown>,
  watched: Watched<View>,
): Promise<Result<Answer>> {
  const show = createShow(call, watched);
  let silent = 0;
  for (;;) {
    const seen = await watchOnce(call, watched, (view) => {
      silent = 0;
      show(view);
    });
    if (seen.ok && seen.value !== undefined)
      return ok({ ...alreadyShown, isBad: seen.value === 'bad' });
    if (call.signal.aborted) return ok(alreadyShown);
    if (!seen.ok && !seen.error.retryable) return seen;
    silent += 1;
    if (silent > reconnectsMax)
      return seen.ok ? err(failure('unavailable', 'the coordinator ends the stream')) : seen;
    await sleep(call.clock, reconnectMs, call.signal);
  }
}

/** `undefined`: the stream has ended, and what is watched has not. */
async function watchOnce<View>(
  { client, signal }: Call<unknown>,
  { path, schema, endOf }: Watched<View>,
  show: (view: View) => void,
): Promise<Result<'good' | 'bad' | undefined>> {
  const response = await client.ask('GET', path, { endless: true, signal });
  if (!response.ok) return response;
  const { body } = response.value;
  if (!response.value.ok || body === null) return err(await failureOf(response.value));
  try {
    for await (const data of readEvents(body)) {
      const json = parseJson(new TextEncoder().encode(data), 'the event');
      const view = schema.safeParse(json.ok ? json.value : undefined);
      if (!view.success)
        return err(failure('unsupported_version', 'an event that this skerry does not know'));
      show(view.data);
      const end = endOf(view.data);
      if (end !== undefined) return ok(end);
    }
    return ok(undefined);
  } catch (thrown) {
    return err(failure('unavailable', messageOf(thrown)));
  }
}

function createShow<View>(
  { terminal, json, print }: Call<unknown>,
  { draw }: Watched<View>,
): (view: View) => void {
  let before = '';
  return (view) => {
    if (json) return print(`${JSON.stringify(view)}\n`);
    const whole = printable(draw(view));
    const text = terminal === undefined ? whole : cut(whole, terminal);
    if (text === before) return;
    const lines = before.split('\n').length;
    // Up to where it began, and all below is gone.
    const again = terminal === undefined || before === '' ? '' : `\u001b[${lines}A\r\u001b[0J`;
    print(`${again}${text}\n${terminal === undefined ? '\n' : ''}`);
    before = text;
  };
}

/** A line that wraps, or one that has scrolled away, could not be drawn anew. */
function cut(text: string, { rows, columns }: { readonly rows: number; readonly columns: number }) {
  return text
    .split('\n')
    .slice(0, Math.max(1, rows - 1))
    .map((line) => line.slice(0, columns))
    .join('\n');
}
