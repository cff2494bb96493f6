// Training uses the process's libtorch threads.
[assembly: DoNotParallelize]
