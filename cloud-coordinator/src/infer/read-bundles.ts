// The bundles that this coordinator serves, every variant of each: devices of one model need not run the same build.

import { type Bundle, readBundle } from '@skerry/models/node';
import { ok, type Result } from '@skerry/shared';

/** Fails as readBundle does, at the first that does. */
export async function readBundles(
  directories: readonly string[],
): Promise<Result<readonly Bundle[]>> {
  const bundles: Bundle[] = [];
  for (const directory of directories) {
    const first = await readBundle(directory, ['cloud']);
    if (!first.ok) return first;
    bundles.push(first.value);
    for (const { name } of first.value.manifest.variants.filter(
      (v) => v.name !== first.value.variant.name,
    )) {
      const other = await readBundle(directory, ['cloud'], name);
      if (!other.ok) return other;
      bundles.push(other.value);
    }
  }
  return ok(bundles);
}
