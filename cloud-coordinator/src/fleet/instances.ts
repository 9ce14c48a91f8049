// Where a coordinator's data lies, and what those that share it are called: of the configuration all that the commands
// beside a coordinator need.

import { z } from 'zod';

export const dataDirSchema = z.string().min(1).default('.skerry/coordinator');
/** Coordinators that may share one database and one broker; each has a certificate of its own. */
export const instancesMax = 16;
export const instanceName = (instance: number): string => `skerry:coordinator:${instance}`;
