import { U8Column } from '../../metadata/src/store/columns.ts';
const c = new U8Column();
for (let i = 0; i < 1_001_001; i++) c.set(i, i % 1000 === 0 ? 2 : 1);
function loop() { let n = 0; for (let row = 1; row < 1_001_001; row++) { if (c.get(row) !== 2) continue; n++; } return n; }
for (let k = 0; k < 6; k++) { const t = performance.now(); loop(); console.log((performance.now() - t).toFixed(2)); }
