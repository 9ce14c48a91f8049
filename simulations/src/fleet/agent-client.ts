// How an app on the device talks to its agent: Open Inference Protocol with binary tensors, and the answers stream.

import { z } from 'zod';

const headerLengthName = 'inference-header-content-length';

const responseSchema = z.object({
  id: z.string().optional(),
  parameters: z.object({
    skerry_request_id: z.string(),
    source: z.string(),
    confidence: z.number(),
    degraded: z.boolean(),
    reason: z.string(),
    pending: z.boolean(),
  }),
  outputs: z.tuple([z.object({ name: z.literal('label'), data: z.tuple([z.string()]) })]),
});

export interface ClientAnswer {
  /** As the agent knows the request. */
  readonly requestId: string;
  readonly label: string;
  readonly source: string;
  readonly degraded: boolean;
  readonly pending: boolean;
  readonly reason: string;
  readonly latencyMs: number;
}

/** The agent has answered, with a failure. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(`${status} ${body}`);
    this.status = status;
  }
}

/** Throws a `Refusal`, or what `fetch` throws where the agent cannot be reached. */
export async function inferDigit(
  baseUrl: string,
  id: string,
  pixels: Uint8Array,
  parameters: Readonly<Record<string, string | number>> = {},
): Promise<ClientAnswer> {
  const header = new TextEncoder().encode(
    JSON.stringify({
      id,
      parameters,
      inputs: [
        {
          name: 'image',
          shape: [1, 1, 28, 28],
          datatype: 'UINT8',
          parameters: { binary_data_size: pixels.byteLength },
        },
      ],
      outputs: [{ name: 'label' }],
    }),
  );
  const startedMs = performance.now();
  const response = await fetch(`${baseUrl}/v2/models/digits/infer`, {
    method: 'POST',
    headers: { [headerLengthName]: String(header.byteLength) },
    body: new Uint8Array([...header, ...pixels]),
  });
  const body = await response.text();
  const latencyMs = performance.now() - startedMs;
  if (!response.ok) throw new Refusal(response.status, body);
  const { parameters: p, outputs } = responseSchema.parse(JSON.parse(body));
  const { skerry_request_id: requestId, ...rest } = p;
  return { requestId, ...rest, label: outputs[0].data[0], latencyMs };
}

const lateSchema = z.object({
  id: z.string(),
  answer: z.object({ label: z.string() }).optional(),
});

export interface LateAnswer {
  readonly id: string;
  /** Absent where the cloud could not answer either. */
  readonly label?: string;
}

const reconnectMs = 200;

/** Follows the answers stream until `signal` aborts, over reconnects, each event once. */
export async function followAnswers(
  baseUrl: () => string,
  onAnswer: (answer: LateAnswer) => void,
  signal: AbortSignal,
): Promise<void> {
  let lastId = '0';
  while (!signal.aborted) {
    try {
      const response = await fetch(`${baseUrl()}/v1/answers/stream`, {
        headers: { 'last-event-id': lastId },
        signal,
      });
      for await (const { id, data } of serverSentEvents(response)) {
        lastId = id;
        const { answer, id: requestId } = lateSchema.parse(JSON.parse(data));
        onAnswer({ id: requestId, ...(answer === undefined ? {} : { label: answer.label }) });
      }
    } catch (thrown) {
      if (thrown instanceof z.ZodError) throw thrown;
      // The agent is away: come back with the last event id.
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
async function* serverSentEvents(response: Response): AsyncGenerator<{ id: string; data: string }> {
  if (response.body === null) return;
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const field = (name: string): string | undefined =>
        event
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const id = field('id');
      const data = field('data');
      if (id !== undefined && data !== undefined) yield { id, data };
    }
  }
}
