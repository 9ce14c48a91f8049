import { browser } from './browser/profile.ts';
import { linuxArm64 } from './linux-arm64/profile.ts';
import { linuxX64 } from './linux-x64/profile.ts';
import type { Target } from './target.ts';

/** The targets that ship; one folder each. */
export const targets: readonly Target[] = [linuxX64, linuxArm64, browser];
