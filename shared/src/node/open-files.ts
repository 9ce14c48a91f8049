// Each connection is an open file, and the kernel's limit on these is often the first bound that a process meets. Node
// raises the soft limit to the hard one when it starts.

/** How many files this process may have open; infinite where there is no limit, or none that can be told. */
export function openFilesMax(): number {
  const reporter: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
  reporter.excludeNetwork = true; // It would resolve the name of every connection's peer.
  const report = reporter.getReport() as unknown as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | 'unlimited' } };
  };
  const limit = report.userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : Number.POSITIVE_INFINITY;
}
