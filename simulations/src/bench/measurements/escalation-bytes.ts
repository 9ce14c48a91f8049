// What an escalated image weighs: the op that the agent has made durable, beside other ways to send the same image.

import { deflateSync } from 'node:zlib';
import { encodeBody } from '@skerry/sync-protocol';
import { type Image, imageShape, imageTensor } from '../image.ts';
import { expectOk, openInProcessAgent } from '../in-process-agent.ts';
import { mean } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface EscalationBytesOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly images: string;
  readonly requests: number;
  /** The bundle's first where it is not given. */
  readonly variant?: string;
}

/** Means over the images that were escalated. */
export interface EscalationBytes {
  readonly escalatedShare: number;
  /** The op as it is stored and sent: CBOR, with the digest, the local answer and all. */
  readonly op: number;
  /** The cut tensor inside it, as it travels, and before it was deflated. */
  readonly cutPacked: number;
  readonly cutRaw: number;
  readonly pixels: number;
  readonly pixelsDeflated: number;
  readonly json: number;
}

export async function escalationBytes(options: EscalationBytesOptions): Promise<EscalationBytes> {
  const { folder, bundle, images: file, requests, variant } = options;
  const images = (await readImages(file)).slice(0, requests);
  const { agent, store, close } = await openInProcessAgent(
    folder,
    bundle,
    'edge-then-async',
    variant,
  );
  const escalated: Image[] = [];
  for (const pixels of images) {
    const request = { model: 'digits', input: imageTensor(pixels) };
    const answer = expectOk(await agent.inference.infer(request));
    if (answer.pending) escalated.push(pixels);
  }
  const ops = store.unacknowledged(images.length, Number.MAX_SAFE_INTEGER);
  const inputs = ops.flatMap(({ body }) => (body.kind === 'escalation' ? [body.input] : []));
  await close();
  return {
    escalatedShare: escalated.length / images.length,
    op: mean(ops.map(({ body }) => expectOk(encodeBody(body)).byteLength)),
    cutPacked: mean(inputs.map(({ data }) => data.byteLength)),
    // UINT8: as many bytes as elements.
    cutRaw: mean(inputs.map(({ shape }) => shape.reduce((a, b) => a * b, 1))),
    pixels: mean(escalated.map((pixels) => pixels.byteLength)),
    pixelsDeflated: mean(escalated.map((pixels) => deflateSync(pixels).byteLength)),
    json: mean(escalated.map((pixels) => jsonRequest(pixels).length)),
  };
}

/** An Open Inference Protocol request with the tensor as JSON: ASCII, so its length is its bytes. */
const jsonRequest = (pixels: Image): string =>
  JSON.stringify({
    inputs: [{ name: 'image', shape: imageShape, datatype: 'UINT8', data: [...pixels] }],
  });
