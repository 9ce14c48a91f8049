// A tensor off the wire. Nothing of it is trusted: the shape is held against what the stage takes before a byte is
// inflated, and inflating stops at the size that this shape has.

import { inflateSync } from 'node:zlib';
import {
  bytesPerElement,
  checkTensor,
  datatypes,
  elementCount,
  type Tensor,
  type TensorSpec,
  tensorFromBytes,
} from '@skerry/models';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type { WireTensor } from '@skerry/sync-protocol';

/** Fails with `invalid_tensor`. */
export function readWireTensor(wire: WireTensor, spec: TensorSpec): Result<Tensor> {
  const datatype = datatypes.find((d) => d === wire.datatype);
  if (wire.name !== spec.name || datatype === undefined)
    return err(
      failure(
        'invalid_tensor',
        `the stage takes '${spec.name}' as ${spec.datatype}, got '${wire.name}' as ${wire.datatype}`,
      ),
    );
  const count = elementCount(wire.shape);
  if (!count.ok) return count;
  const fits = checkTensor(spec, { datatype, shape: wire.shape, data: new Uint8Array() });
  if (!fits.ok) return fits;
  const bytes =
    wire.codec === 'raw'
      ? ok(wire.data)
      : inflate(wire.data, count.value * bytesPerElement(datatype));
  return bytes.ok ? tensorFromBytes(datatype, wire.shape, bytes.value) : bytes;
}

/** `deflate` is the zlib format (RFC 1950), as in HTTP. */
function inflate(data: Uint8Array, bytesMax: number): Result<Uint8Array> {
  try {
    return ok(inflateSync(data, { maxOutputLength: bytesMax }));
  } catch (thrown) {
    return err(
      failure('invalid_tensor', `deflate to at most ${bytesMax} bytes: ${messageOf(thrown)}`),
    );
  }
}
