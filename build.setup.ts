// Before any test: dist is what the sources say. Incremental, so it costs a second when nothing has changed.

import { execFileSync } from 'node:child_process';

export function setup(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { stdio: 'inherit' });
}
