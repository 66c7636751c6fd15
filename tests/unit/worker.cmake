# What the adapters of `tailgate work` know without a process.
tailgate_test(agent test_agent.c tailgate_worker)
