// BYTES, the Open Inference Protocol's strings: each element as its length (uint32, little-endian) and its bytes, as the
// binary data extension has them. What is text in them is UTF-8; bytes that are not are carried, and never mangled.

import { collect, err, failure, ok, type Result } from '@skerry/shared/plain';
import { bytesLengthBytes, type Tensor } from './tensor.ts';

/** The elements behind their lengths. */
export function joinBytes(elements: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const total = elements.reduce((sum, e) => sum + bytesLengthBytes + e.byteLength, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.byteLength, true);
    bytes.set(element, at + bytesLengthBytes);
    at += bytesLengthBytes + element.byteLength;
  }
  return bytes;
}

/** The elements of a BYTES tensor, as views. */
export function bytesElements({ data }: Tensor): Uint8Array[] {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const from = at + bytesLengthBytes;
    at = from + view.getUint32(at, true);
    elements.push(bytes.subarray(from, at));
  }
  return elements;
}

export function textTensor(shape: readonly number[], texts: readonly string[]): Tensor {
  const encoder = new TextEncoder();
  const data = joinBytes(texts.map((text) => encoder.encode(text)));
  return { datatype: 'BYTES', shape, data };
}

/** Fails with `invalid_tensor` where an element is no UTF-8. */
export function textsOf(tensor: Tensor): Result<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return collect(
    bytesElements(tensor).map((element, i): Result<string> => {
      try {
        return ok(decoder.decode(element));
      } catch {
        return err(failure('invalid_tensor', `element ${i} of a BYTES tensor is no UTF-8`));
      }
    }),
  );
}
