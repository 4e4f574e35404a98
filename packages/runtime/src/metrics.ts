import type * as Http from 'node:http';

/** One figure of a daemon, read whenever somebody asks. */
export interface Metric {
  /** In Prometheus's way: `alces_master_data_folder_free_bytes`. */
  name: string;
  help: string;
  /** Undefined: not known yet. */
  value(): number | undefined;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves metrics as text for Prometheus at `/metrics`; a function says which ones there are now. Rejects when the port is taken. */
export async function serveMetrics(
  { host, port }: { host: string; port: number },
  metrics: readonly Metric[] | (() => readonly Metric[]),
): Promise<MetricsServer> {
  // Few daemons are asked to serve metrics, and every start would pay for the library.
  const { Gauge, Registry } = await import('prom-client');
  const registryOf = (list: readonly Metric[]) => {
    const registry = new Registry();
    for (const { name, help, value } of list) {
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          const current = value();
          if (current === undefined) this.reset();
          else this.set(current);
        },
      });
    }
    return registry;
  };
  const now = typeof metrics === 'function' ? metrics : () => metrics;
  const fixed = typeof metrics === 'function' ? undefined : registryOf(metrics);
  // Importing the module would load an HTTP client too, in every program and tool.
  const { createServer } = process.getBuiltinModule('node:http') as typeof Http;
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
      return;
    }
    const answer = async () => {
      const registry = fixed ?? registryOf(now());
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    };
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
