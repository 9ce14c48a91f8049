/** A copy that threads can read. */
export function shareVector(vector: Float32Array): Float32Array<SharedArrayBuffer> {
  const shared = new Float32Array(new SharedArrayBuffer(vector.byteLength));
  shared.set(vector);
  return shared;
}
