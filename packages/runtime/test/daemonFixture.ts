import { runDaemon } from '@alces/runtime';

process.exit(
  await runDaemon(
    {
      name: 'mfstestd',
      openFilesLimit: 4096,
      async start(context) {
        if (context.config.boolean('FAIL', false)) throw new Error('init: told to fail !!!');
        context.say(`value: ${context.config.string('VALUE', 'none')}`);
        const timer = setInterval(() => {}, 1000);
        return {
          reload: () => context.log.info(`reloaded: ${context.rereadConfig()?.string('VALUE', 'none')}`),
          info: () => ['state: fine'],
          stop: async () => clearInterval(timer),
        };
      },
    },
    process.argv.slice(2),
  ),
);
