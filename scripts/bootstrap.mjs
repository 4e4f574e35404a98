// Installs what `npm start`, `npm test` and `npm run bench` need. Plain JavaScript for whatever Node the machine has (20 or newer).
//   node scripts/bootstrap.mjs run    what a running cluster needs
//   node scripts/bootstrap.mjs test   that, and the stock programs and helpers which the tests talk to
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Debian package -> a file by which its presence is known. */
const TEST_PACKAGES = {
  'moosefs-master': '/usr/sbin/mfsmaster',
  'moosefs-chunkserver': '/usr/sbin/mfschunkserver',
  'moosefs-metalogger': '/usr/sbin/mfsmetalogger',
  'moosefs-client': '/usr/bin/mfsmount',
  'moosefs-cli': '/usr/bin/mfscli',
  keepalived: '/usr/sbin/keepalived',
  python3: '/usr/bin/python3',
  fuse3: '/usr/bin/fusermount3',
  iproute2: '/usr/sbin/ip',
  attr: '/usr/bin/getfattr',
  acl: '/usr/bin/getfacl',
  fio: '/usr/bin/fio',
  'util-linux': '/usr/bin/mount',
};
const RUN_PACKAGES = { 'util-linux': '/usr/bin/mount', fuse3: '/usr/bin/fusermount3' };

/** npm writes this file after each install; older than the lock file means that something is missing. */
function dependenciesAreCurrent() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

function installDependencies() {
  if (dependenciesAreCurrent()) return;
  console.log('installing npm packages ...');
  // Not `npm ci`: it refuses a lock file without the binaries of other platforms, which npm leaves out when it writes one here.
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit' });
  const marker = join(root, 'node_modules', '.package-lock.json');
  writeFileSync(marker, readFileSync(marker));
}

function installPackages(packages, required) {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name]));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.error(`missing: ${missing.join(' ')}. As root on Debian: ${command}`);
    if (required) process.exit(1);
    return;
  }
  console.log(`installing Debian packages: ${missing.join(' ')} ...`);
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  spawnSync('apt-get', ['update', '-qq'], quiet);
  const result = spawnSync('sh', ['-c', command], quiet);
  const still = missing.filter((name) => !existsSync(packages[name]));
  if (still.length === 0) return;
  console.error(`could not install ${still.join(' ')} (apt-get exit status ${result.status})`);
  if (required) process.exit(1);
}

const what = process.argv[2];
if (what !== 'run' && what !== 'test') {
  console.error('usage: bootstrap.mjs run|test');
  process.exit(2);
}
installDependencies();
installPackages(what === 'test' ? TEST_PACKAGES : RUN_PACKAGES, what === 'test');
