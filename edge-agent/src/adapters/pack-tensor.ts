// The cut tensor for the wire: its bytes deflated (zlib, RFC 1950) where that makes them fewer.

import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { type Tensor, tensorBytes } from '@skerry/models';
import type { WireTensor } from '@skerry/sync-protocol';

const deflateAsync = promisify(deflate);

export async function packTensor(name: string, tensor: Tensor): Promise<WireTensor> {
  const bytes = tensorBytes(tensor);
  const deflated = await deflateAsync(bytes);
  const smaller = deflated.byteLength < bytes.byteLength;
  return {
    name,
    datatype: tensor.datatype,
    shape: [...tensor.shape],
    codec: smaller ? 'deflate' : 'raw',
    data: smaller ? deflated : bytes,
  };
}
