// Embeddings in the encoding that was asked for. Some servers give floats, some base64, whatever they are asked for
// (Ollama and LM Studio know no base64), and the official clients ask for base64 unless told otherwise.

import { err, failure, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { EmbeddingsRequest, JsonObject } from './text-server.ts';

const embeddingsSchema = z.looseObject({
  data: z.array(
    z.looseObject({
      index: z.int().nonnegative(),
      embedding: z.union([z.array(z.number()).min(1), z.base64().min(1)]),
    }),
  ),
});

const floatBytes = 4;

/** In the order of the inputs. Fails with `runtime_failed` where the body is none. */
export function encodeEmbeddings(
  body: JsonObject,
  { input, encoding_format: format }: EmbeddingsRequest,
): Result<JsonObject> {
  const count = typeof input === 'string' || typeof input[0] === 'number' ? 1 : input.length;
  const read = embeddingsSchema.safeParse(body);
  const data = read.success ? read.data.data.toSorted((a, b) => a.index - b.index) : [];
  if (data.length !== count || data.some(({ index }, place) => index !== place))
    return err(failure('runtime_failed', `expected ${count} embeddings`));
  const encoded = data.map((item) => ({
    ...item,
    embedding: format === 'base64' ? base64Of(item.embedding) : floatsOf(item.embedding),
  }));
  return ok({ ...body, data: encoded });
}

/** float32, little-endian. */
function base64Of(embedding: readonly number[] | string): string {
  if (typeof embedding === 'string') return embedding;
  const view = new DataView(new ArrayBuffer(embedding.length * floatBytes));
  for (const [i, value] of embedding.entries()) view.setFloat32(i * floatBytes, value, true);
  let text = '';
  for (let i = 0; i < view.byteLength; i++) text += String.fromCharCode(view.getUint8(i));
  return btoa(text);
}

/** Of float32 in base64, little-endian, or as it is. */
export function floatsOf(embedding: readonly number[] | string): readonly number[] {
  if (typeof embedding !== 'string') return embedding;
  const text = atob(embedding);
  const view = new DataView(Uint8Array.from(text, (char) => char.charCodeAt(0)).buffer);
  return Array.from({ length: Math.floor(view.byteLength / floatBytes) }, (_, i) =>
    view.getFloat32(i * floatBytes, true),
  );
}
