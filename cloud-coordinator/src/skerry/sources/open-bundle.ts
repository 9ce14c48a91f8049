// A bundle by what an operator writes: a folder, an OCI layout, or the address of a manifest.json.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from '@skerry/shared';
import type { LocalBundle } from './local-bundle.ts';
import { layoutFile } from './oci-layout.ts';
import { openFolder } from './open-folder.ts';
import { openOciLayout } from './open-oci-layout.ts';
import { openUrl, type UrlPorts } from './open-url.ts';

export function openBundle(
  source: string,
  reference: string | undefined,
  ports: UrlPorts,
): Promise<Result<LocalBundle>> {
  if (/^https?:/.test(source)) return openUrl(source, ports);
  return existsSync(join(source, layoutFile))
    ? openOciLayout(source, reference)
    : openFolder(source);
}
